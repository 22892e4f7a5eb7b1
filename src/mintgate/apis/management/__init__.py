"""The automation API and the JSON endpoints of Profile and Instance Manager.

HTTP only: who calls, what the body says, what goes back. The rules are operations of
`identity.administration`.
"""
