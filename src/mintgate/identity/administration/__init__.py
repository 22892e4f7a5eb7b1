"""What administrators and owners may do to records and credentials, each rule once.

An operation takes a `Call` and returns a value of `contract.automation`. Pages, the automation API
and the command line stand on these.
"""
