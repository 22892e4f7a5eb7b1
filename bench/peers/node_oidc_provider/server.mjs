// node-oidc-provider as a plain issuer of RS256 JWT access tokens by client credentials.
import { readFileSync } from 'node:fs';

import Provider from 'oidc-provider';

const settings = JSON.parse(readFileSync(process.argv[2], 'utf8'));
const api = 'urn:bench:api';

const provider = new Provider(`http://127.0.0.1:${settings.port}`, {
  jwks: { keys: [settings.jwk] },
  scopes: settings.scope.split(' '),
  clients: [{
    client_id: settings.clientId,
    client_secret: settings.clientSecret,
    grant_types: ['client_credentials'],
    redirect_uris: [],
    response_types: [],
    scope: settings.scope,
    token_endpoint_auth_method: 'client_secret_post',
  }],
  features: {
    clientCredentials: { enabled: true },
    devInteractions: { enabled: false },
    // The way to JWT access tokens; every request is for the one API.
    resourceIndicators: {
      enabled: true,
      defaultResource: () => api,
      getResourceServerInfo: () => ({
        audience: 'DomainAPI',
        scope: settings.scope,
        accessTokenTTL: 3600,
        accessTokenFormat: 'jwt',
        jwt: { sign: { alg: 'RS256' } },
      }),
    },
  },
  ttl: { ClientCredentials: 3600 },
});

provider.listen(settings.port, '127.0.0.1');
