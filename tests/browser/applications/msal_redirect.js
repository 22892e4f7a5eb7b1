// Hands the answer to the page that asked, which may be in another window.
msalRedirectBridge.broadcastResponseToMainFrame();
