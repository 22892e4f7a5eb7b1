"""The APIs that an instance has built in, over its own data, so that it is useful alone."""
