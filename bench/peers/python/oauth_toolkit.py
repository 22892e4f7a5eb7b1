# mypy: ignore-errors
"""django-oauth-toolkit with its models in SQLite: opaque access tokens by client credentials.

It signs nothing: an access token is a random text and a row. `python oauth_toolkit.py` makes the
database; gunicorn serves `application`.
"""

import json
import os
from pathlib import Path

import django
from django.conf import settings
from django.core.wsgi import get_wsgi_application
from django.urls import include, path

SETTINGS = json.loads(Path(os.environ["BENCH_SETTINGS"]).read_text())

settings.configure(
    DEBUG=False,
    SECRET_KEY=os.urandom(32).hex(),
    ALLOWED_HOSTS=["127.0.0.1"],
    ROOT_URLCONF=__name__,
    INSTALLED_APPS=[
        "django.contrib.auth",
        "django.contrib.contenttypes",
        "oauth2_provider",
    ],
    MIDDLEWARE=["django.middleware.common.CommonMiddleware"],  # which tells the length
    DATABASES={
        "default": {
            "ENGINE": "django.db.backends.sqlite3",
            "NAME": SETTINGS["database"],
            "CONN_MAX_AGE": None,
            # As mintgate has it: a commit is on the disk when the answer leaves.
            "OPTIONS": {
                "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL;",
                "transaction_mode": "IMMEDIATE",
            },
        }
    },
    USE_TZ=True,
    OAUTH2_PROVIDER={
        "ACCESS_TOKEN_EXPIRE_SECONDS": 3600,
        "SCOPES": {scope: scope for scope in SETTINGS["scope"].split()},
    },
)
django.setup()
urlpatterns = [path("o/", include("oauth2_provider.urls", namespace="oauth2_provider"))]
application = get_wsgi_application()


def prepare():
    from django.core.management import call_command
    from oauth2_provider.models import Application

    call_command("migrate", verbosity=0)
    Application.objects.create(
        client_id=SETTINGS["clientId"],
        client_secret=SETTINGS["clientSecret"],
        # By default the secret is hashed as a password, and each token costs a second of PBKDF2.
        hash_client_secret=False,
        client_type="confidential",
        authorization_grant_type="client-credentials",
        name="bench",
    )


if __name__ == "__main__":
    prepare()
