"""The declared instance: a file says what should be, and the database is made to say it too.

`read` a text, `plan` what it would change, `apply` it, and `export` an instance as such a text.
"""

from mintgate.server.declaration.apply import apply, plan
from mintgate.server.declaration.carry_out import carry_out
from mintgate.server.declaration.differences import (
    Difference,
    action_of,
    attributes_of,
    differences_of,
    kind_of,
    name_of,
    text_of,
)
from mintgate.server.declaration.export import export
from mintgate.server.declaration.model import (
    Declaration,
    DeclaredApi,
    DeclaredApplication,
    DeclaredUser,
)
from mintgate.server.declaration.plan import (
    ApiChange,
    ApplicationChange,
    Change,
    InstanceChange,
    Plan,
    SeatChange,
    UserChange,
)
from mintgate.server.declaration.problems import InvalidDeclaration, Problem
from mintgate.server.declaration.read import read

__all__ = [
    "ApiChange",
    "ApplicationChange",
    "Change",
    "Declaration",
    "DeclaredApi",
    "DeclaredApplication",
    "DeclaredUser",
    "Difference",
    "InstanceChange",
    "InvalidDeclaration",
    "Plan",
    "Problem",
    "SeatChange",
    "UserChange",
    "action_of",
    "apply",
    "attributes_of",
    "carry_out",
    "differences_of",
    "export",
    "kind_of",
    "name_of",
    "plan",
    "read",
    "text_of",
]
