// openid-client from discovery to userinfo. The test plays the browser: it reads the
// authorization URL from standard output and writes the callback URL to standard input.
import * as client from 'openid-client';
import { createInterface } from 'node:readline';

const [issuer, clientId, redirectUri] = process.argv.slice(2);
const secret = process.env.CLIENT_SECRET || undefined;
const auth = secret ? client.ClientSecretBasic(secret) : client.None();
const metadata = { id_token_signed_response_alg: process.env.ALGORITHM || 'RS256' };
const config = await client.discovery(new URL(issuer), clientId, metadata, auth, {
  // The second has it verify signatures, which it leaves to TLS otherwise.
  execute: [client.allowInsecureRequests, client.enableNonRepudiationChecks],
});

const verifier = client.randomPKCECodeVerifier();
const nonce = client.randomNonce();
const state = client.randomState();
const url = client.buildAuthorizationUrl(config, {
  redirect_uri: redirectUri,
  scope: 'openid profile email read offline_access',
  code_challenge: await client.calculatePKCECodeChallenge(verifier),
  code_challenge_method: 'S256',
  nonce,
  state,
});
console.log(url.href);

const lines = createInterface({ input: process.stdin });
const callback = await new Promise((resolve) => lines.once('line', resolve));
lines.close();

const tokens = await client.authorizationCodeGrant(config, new URL(callback), {
  pkceCodeVerifier: verifier,
  expectedNonce: nonce,
  expectedState: state,
  idTokenExpected: true,
});
const claims = tokens.claims();
const userinfo = await client.fetchUserInfo(config, tokens.access_token, claims.sub);
const refreshed = await client.refreshTokenGrant(config, tokens.refresh_token);
const logout = client.buildEndSessionUrl(config, { id_token_hint: refreshed.id_token });
console.log(
  JSON.stringify({
    claims,
    userinfo,
    scope: tokens.scope,
    accessToken: refreshed.access_token,
    rotated: refreshed.refresh_token !== tokens.refresh_token,
    logout: logout.href,
  }),
);
