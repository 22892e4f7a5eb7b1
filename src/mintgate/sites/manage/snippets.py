"""How an application connects: code for the usual libraries, with its own values, no secret."""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterator
from string import Template

import msgspec

from mintgate.contract.applications import ReferenceTokenPolicy, TrustedApplication
from mintgate.contract.instance import Instance
from mintgate.contract.redirects import registered_uris
from mintgate.contract.scopes import OFFLINE_ACCESS, OPENID, PROFILE, PROTOCOL_SCOPES
from mintgate.contract.translating import translatable


class Snippet(msgspec.Struct, frozen=True):
    """Args: `title` is the library's name, or a text that is marked with `translatable`."""

    title: str
    code: str


_SERVICE = {
    "curl": """curl $token_url \\
  --user $curl_id:"$$CLIENT_SECRET" \\
  --data grant_type=client_credentials

curl --header "Authorization: Bearer $$ACCESS_TOKEN" \\
  '${odata}Crm_Sales_Customers?$$top=5'""",
    "Python, mintgate.client": """import os
import httpx
from mintgate.client import ClientCredentialsAuth

auth = ClientCredentialsAuth(
    api=$api,
    issuer=$issuer,
    client_id=$client_id,
    client_secret=os.environ["CLIENT_SECRET"],
)
with httpx.Client(auth=auth) as http:
    print(http.get($customers).json())""",
    "Python, Authlib": """import os
from authlib.integrations.requests_client import OAuth2Session

session = OAuth2Session($client_id, os.environ["CLIENT_SECRET"])
session.fetch_token($token, grant_type="client_credentials")
print(session.get($customers).json())""",
    ".NET, Duende.IdentityModel": """using Duende.IdentityModel.Client;

var http = new HttpClient();
var token = await http.RequestClientCredentialsTokenAsync(new()
{
    Address = $token,
    ClientId = $client_id,
    ClientSecret = Environment.GetEnvironmentVariable("CLIENT_SECRET"),
});
http.SetBearerToken(token.AccessToken!);
Console.WriteLine(await http.GetStringAsync($customers));""",
    "PHP, league/oauth2-client": """use League\\OAuth2\\Client\\Provider\\GenericProvider;

$$provider = new GenericProvider([
    'clientId' => $php_id,
    'clientSecret' => getenv('CLIENT_SECRET'),
    'urlAccessToken' => $php_token,
    'urlAuthorize' => $php_authorize,
    'urlResourceOwnerDetails' => $php_userinfo,
]);
$$token = $$provider->getAccessToken('client_credentials');
$$request = $$provider->getAuthenticatedRequest('GET', $php_customers, $$token);
echo $$provider->getResponse($$request)->getBody();""",
}
_WEB = {
    "Python, Authlib and Flask": """oauth.register(
    "erp",
    server_metadata_url=$metadata,
    client_id=$client_id,
    client_secret=os.environ["CLIENT_SECRET"],
    client_kwargs={"scope": $scope, "code_challenge_method": "S256"},
)

@app.get("/login")
def login():
    return oauth.erp.authorize_redirect($redirect)""",
    ".NET, ASP.NET Core": """builder.Services.AddAuthentication("cookie")
    .AddCookie("cookie")
    .AddOpenIdConnect("erp", options =>
    {
        options.SignInScheme = "cookie";
        options.Authority = $issuer;
        options.ClientId = $client_id;
        options.ClientSecret = builder.Configuration["ClientSecret"];
        options.ResponseType = "code";
        options.SaveTokens = true;
        options.Scope.Clear();
        foreach (var scope in $scope.Split(' ')) options.Scope.Add(scope);
    });""",
    "PHP, league/oauth2-client": """use League\\OAuth2\\Client\\Provider\\GenericProvider;

$$provider = new GenericProvider([
    'clientId' => $php_id,
    'clientSecret' => getenv('CLIENT_SECRET'),
    'redirectUri' => $php_redirect,
    'urlAuthorize' => $php_authorize,
    'urlAccessToken' => $php_token,
    'urlResourceOwnerDetails' => $php_userinfo,
    'pkceMethod' => 'S256',
]);
header('Location: ' . $$provider->getAuthorizationUrl(['scope' => $php_scope]));""",
    "curl": """# in the browser: $authorize?response_type=code&client_id=…
curl $token_url \\
  --user $curl_id:"$$CLIENT_SECRET" \\
  --data grant_type=authorization_code \\
  --data-urlencode redirect_uri=$curl_redirect \\
  --data-urlencode code="$$CODE\"""",
}
_PUBLIC = {
    "oidc-client-ts": """import { UserManager } from "oidc-client-ts";

const manager = new UserManager({
  authority: $issuer,
  client_id: $client_id,
  redirect_uri: $redirect,
  post_logout_redirect_uri: $logout,
  scope: $renewable_scope,
  loadUserInfo: true,
});
await manager.signinRedirect();
// on the page of redirect_uri:
const user = await manager.signinRedirectCallback();
await fetch($customers, { headers: { Authorization: `Bearer $${user.access_token}` } });
// and to sign out:
await manager.signoutRedirect();""",
    "MSAL.js": """import { PublicClientApplication } from "@azure/msal-browser";

const app = new PublicClientApplication({
  auth: {
    clientId: $client_id,
    authority: $issuer,
    redirectUri: $redirect,
    postLogoutRedirectUri: $logout,
    knownAuthorities: [$host],
    OIDCOptions: { responseMode: "fragment" },
  },
  system: { protocolMode: "OIDC" },
});
await app.initialize();
await app.handleRedirectPromise();
const claims = JSON.stringify({ id_token: { name: null, preferred_username: null } });
await app.loginRedirect({ scopes: $api_scopes, claims });
const account = app.getAllAccounts()[0];
const { accessToken } = await app.acquireTokenSilent({ scopes: $api_scopes, account });
await fetch($customers, { headers: { Authorization: `Bearer $${accessToken}` } });
// and to sign out:
await app.logoutRedirect({ account, idTokenHint: account.idToken });

// the page of redirectUri, which has nothing else:
import { broadcastResponseToMainFrame } from "@azure/msal-browser/redirect-bridge";
broadcastResponseToMainFrame();""",
    ".NET, Duende.IdentityModel.OidcClient": """var client = new OidcClient(new OidcClientOptions
{
    Authority = $issuer,
    ClientId = $client_id,
    RedirectUri = $redirect,
    Scope = $scope,
    Browser = new SystemBrowser(),
});
var result = await client.LoginAsync();""",
}
_TOKEN = {
    "curl": """curl --header "Authorization: Bearer $$TOKEN" \\
  '${odata}Crm_Sales_Customers?$$top=5'""",
    "Python, httpx": """import os
import httpx

headers = {"Authorization": f"Bearer {os.environ['TOKEN']}"}
print(httpx.get($customers, headers=headers).json())""",
}


class Part(msgspec.Struct, frozen=True):
    """One way to connect, and code for it."""

    title: str
    text: str
    snippets: tuple[Snippet, ...]


def snippets_of(application: TrustedApplication, instance: Instance) -> list[Part]:
    """The ways that are open to this application."""
    values = _values(application, instance)
    return list(_parts(application, values))


def _parts(application: TrustedApplication, values: dict[str, str]) -> Iterator[Part]:
    if (
        application.impersonate_as_internal_user_allowed
        or application.impersonate_as_community_user_allowed
    ):
        yield Part(
            translatable("Signing people in"),
            translatable("The authorization code flow with PKCE."),
            _filled(_PUBLIC if application.is_public else _WEB, values),
        )
    if application.system_user_allowed:
        yield Part(
            translatable("As a service"),
            translatable("The client credentials flow. Keep the secret out of the code."),
            _filled(_SERVICE, values),
        )
    if application.reference_tokens is not ReferenceTokenPolicy.NONE:
        yield Part(
            translatable("With a personal or service token"),
            translatable("The token goes where an access token goes."),
            _filled(_TOKEN, values),
        )


def _filled(templates: dict[str, str], values: dict[str, str]) -> tuple[Snippet, ...]:
    return tuple(
        Snippet(title, Template(text).substitute(values)) for title, text in templates.items()
    )


def _values(application: TrustedApplication, instance: Instance) -> dict[str, str]:
    issuer = instance.issuer
    redirect = next(iter(registered_uris(application.impersonate_login_url)), "https://…")
    logout = next(iter(registered_uris(application.impersonate_logout_url)), "https://…")
    api_scopes = [name for name in application.scope_names if name not in PROTOCOL_SCOPES]
    scopes = [OPENID, PROFILE, *api_scopes]
    customers = f"{instance.odata_root}Crm_Sales_Customers?$top=5"
    token = f"{issuer}/connect/token"
    quoted = {
        "api": f"{instance.base_url}/api",
        "issuer": issuer,
        "client_id": application.application_uri,
        "customers": customers,
        "token": token,
        "metadata": f"{issuer}/.well-known/openid-configuration",
        "scope": " ".join(scopes),
        # Without a refresh token a library renews in a frame, which shows no page [EP-7].
        "renewable_scope": " ".join([*scopes, OFFLINE_ACCESS]),
        "redirect": redirect,
        "logout": logout,
        "host": instance.base_url.partition("://")[2],
    }
    php = {
        "php_id": application.application_uri,
        "php_token": token,
        "php_authorize": f"{issuer}/connect/authorize",
        "php_userinfo": f"{issuer}/connect/userinfo",
        "php_redirect": redirect,
        "php_scope": " ".join(scopes),
        "php_customers": customers,
    }
    return {
        **{name: json.dumps(text, ensure_ascii=False) for name, text in quoted.items()},
        **{name: _php(text) for name, text in php.items()},
        "api_scopes": json.dumps(api_scopes),
        "token_url": shlex.quote(token),
        "curl_id": shlex.quote(application.application_uri),
        "curl_redirect": shlex.quote(redirect),
        "authorize": f"{issuer}/connect/authorize",
        "odata": instance.odata_root,
    }


def _php(text: str) -> str:
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"
