// A browser application of MSAL.js 5; its redirect URI is a page of its own.
const page = `${location.origin}/msal`;
const app = new msal.PublicClientApplication({
  auth: {
    clientId: settings.client,
    authority: settings.authority,
    knownAuthorities: [settings.host],
    redirectUri: `${page}/redirect`,
    postLogoutRedirectUri: page,
    OIDCOptions: { responseMode: 'fragment' },
  },
  system: { protocolMode: 'OIDC', iframeBridgeTimeout: 60_000 }, // a busy machine takes its time
});
const scopes = ['read'];
// MSAL shows what the ID token says, and asks nobody else; without this it says no name [IDT-14].
const claims = JSON.stringify({ id_token: { name: null, preferred_username: null } });
const at = (id) => document.getElementById(id);
const account = () => app.getAllAccounts()[0];

function show() {
  at('who').textContent = account()?.name ?? 'Nobody';
}

function on(id, work) {
  at(id).addEventListener('click', async () => {
    at('note').textContent = '…';
    try {
      at('note').textContent = (await work()) ?? '';
    } catch (error) {
      at('note').textContent = `${error.error ?? error.name}: ${error.message}`;
    }
    show();
  });
}

on('sign-in', () => app.loginRedirect({ scopes, claims }));
on('sign-in-window', async () => {
  await app.loginPopup({ scopes, claims });
  return 'The window is closed';
});
on('renew', async () => {
  const request = { scopes, account: account() };
  const before = await app.acquireTokenSilent(request);
  const after = await app.acquireTokenSilent({ ...request, forceRefresh: true });
  const isNew = after.accessToken !== before.accessToken;
  return isNew ? 'A new token' : 'The same token';
});
on('customers', async () => {
  const { accessToken } = await app.acquireTokenSilent({ scopes, account: account() });
  const headers = { Authorization: `Bearer ${accessToken}` };
  const answer = await fetch(settings.customers, { headers });
  return `Customers: ${answer.status}`;
});
on('sign-out', () => app.logoutRedirect({ account: account(), idTokenHint: account().idToken }));

(async () => {
  await app.initialize();
  await app.handleRedirectPromise();
  show();
})().catch((error) => {
  at('who').textContent = 'Nobody';
  at('note').textContent = `${error.error ?? error.name}: ${error.message}`;
});
