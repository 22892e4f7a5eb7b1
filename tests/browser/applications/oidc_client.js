// A browser application as the README of oidc-client-ts has it.
const page = `${location.origin}/oidc-client-ts`;
const manager = new oidc.UserManager({
  authority: settings.authority,
  client_id: settings.client,
  redirect_uri: `${page}/callback`,
  post_logout_redirect_uri: page,
  loadUserInfo: true,
  revokeTokensOnSignout: true,
  automaticSilentRenew: false, // the test presses the button
  silentRequestTimeoutInSeconds: 60, // a busy machine takes its time
});
const at = (id) => document.getElementById(id);

function scope() {
  return at('offline').checked ? 'openid profile read offline_access' : 'openid profile read';
}

async function show() {
  const user = await manager.getUser();
  at('who').textContent = user ? user.profile.name : 'Nobody';
}

function on(id, work) {
  at(id).addEventListener('click', async () => {
    at('note').textContent = '…';
    try {
      at('note').textContent = (await work()) ?? '';
    } catch (error) {
      at('note').textContent = `${error.error ?? error.name}: ${error.message}`;
    }
    await show();
  });
}

on('sign-in', () => manager.signinRedirect({ scope: scope() }));
on('sign-in-window', async () => {
  await manager.signinPopup({ scope: scope() });
  return 'The window is closed';
});
on('renew', async () => {
  const before = await manager.getUser();
  const after = await manager.signinSilent({ scope: scope() });
  const isNew = after.access_token !== before.access_token;
  return isNew ? 'A new token' : 'The same token';
});
on('customers', async () => {
  const { access_token: token } = await manager.getUser();
  const answer = await fetch(settings.customers, { headers: { Authorization: `Bearer ${token}` } });
  return `Customers: ${answer.status}`;
});
on('sign-out', () => manager.signoutRedirect());

(async () => {
  if (location.pathname.endsWith('/callback')) {
    await manager.signinCallback(); // in a window or a frame it tells the page that opened it
    history.replaceState(null, '', page);
  }
  await show();
})().catch((error) => {
  at('who').textContent = 'Nobody';
  at('note').textContent = `${error.error ?? error.name}: ${error.message}`;
});
