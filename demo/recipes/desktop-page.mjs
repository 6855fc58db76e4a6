// The page of the recipes with a VNC server: noVNC for a logged-in user, else the form of the login.
//
//   npm install @novnc/novnc
import { fileURLToPath } from 'node:url';
import express from 'express';
import { form } from './login-form.mjs';

/** The page at `/`. `path`: the path of the tunnel; `logout`: the path of a logout, for a page with a button. */
export function desktopPage(path = '/vnc', logout = undefined) {
  const page = express.Router();
  page.use('/novnc', express.static(fileURLToPath(new URL('..', import.meta.resolve('@novnc/novnc')))));
  page.get('/', (req, res) => {
    // Passport's user, or the user of login.mjs.
    const isLoggedIn = (req.user ?? req.session?.user) !== undefined;
    res.set('Cache-Control', 'no-store').send(isLoggedIn ? html(path, logout) : form);
  });
  return page;
}

const button = (logout) => `<form method="post" action="${logout}"><button>Log out</button></form>`;

const html = (path, logout) => `<!doctype html>
<html lang="en">
  <meta charset="utf-8">
  <meta name="viewport" content="width=device-width">
  <title>Desktop</title>
  <style>
    body { background: #282828; color: #fff; display: flex; flex-direction: column; font: 16px/1.5 system-ui, sans-serif }
    body { height: 100vh; margin: 0 }
    #screen { flex: 1; min-height: 0 }
    p { margin: 0; padding: 20vh 1rem 0; text-align: center }
    form { background: #1b1b1b; padding: 0.4rem; text-align: right }
    button { background: #3a3a3a; border: 1px solid #777; border-radius: 4px; color: #fff; font: inherit; padding: 0.3rem 1rem }
  </style>
  <body>
    ${logout ? button(logout) : ''}
    <main id="screen"></main>
    <script type="module">
      import RFB from '/novnc/core/rfb.js';
      const screen = document.querySelector('#screen');
      const rfb = new RFB(screen, location.origin.replace('http', 'ws') + '${path}');
      rfb.scaleViewport = true;
      let connected = false;
      rfb.addEventListener('connect', () => (connected = true));
      rfb.addEventListener('credentialsrequired', () => rfb.sendCredentials({ password: prompt('VNC password') }));
      rfb.addEventListener('disconnect', () => {
        const text = document.createElement('p');
        text.textContent = (connected ? 'The desktop has disconnected.' : 'The desktop could not be reached.') +
          ' Reload the page to try again.';
        screen.replaceChildren(text);
      });
    </script>
  </body>
</html>`;
