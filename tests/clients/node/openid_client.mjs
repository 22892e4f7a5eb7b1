// openid-client from discovery to userinfo. The test plays the browser: it reads the
// authorization URL from standard output and writes the answer to standard input, as JSON:
// {"url": where the browser was sent, "body": the form that it posted there, if it did}.
import * as client from 'openid-client';
import { createInterface } from 'node:readline';

const [issuer, clientId, redirectUri, responseType, responseMode, pkce] = process.argv.slice(2);
const secret = process.env.CLIENT_SECRET || undefined;
const auth = secret ? client.ClientSecretBasic(secret) : client.None();
const metadata = { id_token_signed_response_alg: process.env.ALGORITHM || 'RS256' };
const config = await client.discovery(new URL(issuer), clientId, metadata, auth, {
  // The second has it verify signatures, which it leaves to TLS otherwise.
  execute: [client.allowInsecureRequests, client.enableNonRepudiationChecks],
});
// It checks signature, nonce, c_hash and s_hash of the front-channel ID token.
if (responseType === 'code id_token') client.useCodeIdTokenResponseType(config);

const verifier = pkce === 'pkce' ? client.randomPKCECodeVerifier() : undefined;
const nonce = client.randomNonce();
const state = client.randomState();
const parameters = {
  redirect_uri: redirectUri,
  scope: 'openid profile email read offline_access',
  nonce,
  state,
};
if (responseMode) parameters.response_mode = responseMode;
if (verifier) {
  parameters.code_challenge = await client.calculatePKCECodeChallenge(verifier);
  parameters.code_challenge_method = 'S256';
}
console.log(client.buildAuthorizationUrl(config, parameters).href);

const lines = createInterface({ input: process.stdin });
const answer = JSON.parse(await new Promise((resolve) => lines.once('line', resolve)));
lines.close();
const callback = answer.body
  ? new Request(answer.url, { method: 'POST', body: new URLSearchParams(answer.body) })
  : new URL(answer.url);

const tokens = await client.authorizationCodeGrant(config, callback, {
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
