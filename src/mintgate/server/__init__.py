"""The composition root: settings, application, lifespan. The only place that knows all rooms."""
