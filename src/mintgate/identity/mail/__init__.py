"""Mail to people: what is written, the outbox, and how it leaves this process."""
