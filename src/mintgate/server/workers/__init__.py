"""Several processes on one socket: a parent that keeps them, and what it tells them.

The parent imports nothing of what the workers do: it stays small, and has little to crash by.
"""
