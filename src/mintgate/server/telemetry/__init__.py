"""Seeing it run: metrics, traces and a log of requests, all of them off unless they are asked for.

Rooms count in plain integers (`contract.tallies`); what is done at every request is done around the
application (`requests`), so that a server that nobody watches pays for none of it.
"""
