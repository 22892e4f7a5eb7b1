"""Minting: how many tokens one core signs and answers, over HTTP: of services, and of people."""
