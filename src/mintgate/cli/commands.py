"""The command tree. Only what `--help` shows is imported here; commands import what they do."""

from __future__ import annotations

from mintgate.cli import (
    applications,
    audit,
    database_copies,
    database_restore,
    databases,
    declared,
    erp_sessions,
    invitations,
    keys,
    legacy,
    licences,
    marketplace,
    reference_tokens,
    sign_in_tries,
    sign_ins,
    user_data,
    users,
)
from mintgate.cli.gate import gate
from mintgate.cli.program import new_program
from mintgate.cli.serve import serve
from mintgate.cli.token import token_app

assert user_data  # noqa: S101 - its commands belong to `users.user_commands`
assert database_copies, database_restore  # noqa: S101 - theirs to `db_commands`

app = new_program()
app.command("init")(declared.init)
app.command("apply")(declared.apply)
app.command("export")(declared.export)
app.command("serve")(serve)
app.command("gate")(gate)
app.add_typer(applications.app_commands, name="app")
app.add_typer(users.user_commands, name="user")
sign_in_tries.add_to(users.user_commands)
invitations.add_to(users.user_commands)
app.add_typer(token_app, name="token")
app.add_typer(keys.key_commands, name="key")
app.add_typer(audit.audit_commands, name="audit")
app.add_typer(databases.db_commands, name="db")
app.add_typer(sign_ins.sign_in_commands, name="sign-in")
app.add_typer(erp_sessions.session_commands, name="session")
app.add_typer(licences.licence_commands, name="licence")
app.add_typer(marketplace.marketplace_commands, name="marketplace")
app.add_typer(legacy.legacy_commands, name="legacy")
app.add_typer(reference_tokens.pat_commands, name="pat")
app.add_typer(reference_tokens.sat_commands, name="sat")
