"""The automation API as values: its routes, what they take, and what they answer.

Server and command line share this room, so that neither can say something that the other does not
understand. Applications and users have ERP.net's attribute names, everything else OAuth's; times
are Unix seconds, as in tokens.
"""
