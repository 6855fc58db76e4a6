// The page of the recipes with a VNC server: noVNC for a logged-in user, else the form of the login.
//
//   npm install @novnc/novnc
import { fileURLToPath } from 'node:url';
import express from 'express';
import { form } from './login-form.mjs';

/** The page at `/`; `path` is the path of the tunnel. */
export function desktopPage(path = '/vnc') {
  const page = express.Router();
  page.use('/novnc', express.static(fileURLToPath(new URL('..', import.meta.resolve('@novnc/novnc')))));
  page.get('/', (req, res) => {
    // Passport's user, or the user of login.mjs.
    const isLoggedIn = (req.user ?? req.session?.user) !== undefined;
    res.set('Cache-Control', 'no-store').send(isLoggedIn ? html(path) : form);
  });
  return page;
}

const html = (path) => `<!doctype html>
<html lang="en">
  <meta charset="utf-8">
  <meta name="viewport" content="width=device-width">
  <title>Desktop</title>
  <style>
    body { background: #282828; color: #fff; font: 16px/1.5 system-ui, sans-serif; height: 100vh; margin: 0 }
    p { margin: 0; padding: 20vh 1rem 0; text-align: center }
  </style>
  <body>
    <script type="module">
      import RFB from '/novnc/core/rfb.js';
      const rfb = new RFB(document.body, location.origin.replace('http', 'ws') + '${path}');
      rfb.scaleViewport = true;
      let connected = false;
      rfb.addEventListener('connect', () => (connected = true));
      rfb.addEventListener('credentialsrequired', () => rfb.sendCredentials({ password: prompt('VNC password') }));
      rfb.addEventListener('disconnect', () => {
        const text = document.createElement('p');
        text.textContent = (connected ? 'The desktop has disconnected.' : 'The desktop could not be reached.') +
          ' Reload the page to try again.';
        document.body.replaceChildren(text);
      });
    </script>
  </body>
</html>`;
