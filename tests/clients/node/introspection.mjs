// openid-client asks as an API what a token is, and wants the answer signed (RFC 9701).
import * as client from 'openid-client';

const [issuer, api] = process.argv.slice(2);
const metadata = { introspection_signed_response_alg: 'RS256' };
const auth = client.ClientSecretBasic(process.env.API_SECRET);
const config = await client.discovery(new URL(issuer), api, metadata, auth, {
  execute: [client.allowInsecureRequests, client.enableNonRepudiationChecks],
});
const answer = await client.tokenIntrospection(config, process.env.TOKEN);
console.log(JSON.stringify(answer));
