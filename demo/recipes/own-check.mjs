// A check of your own: the option `authenticate` is an async function, called before each tunnel opens, and every minute
// while the tunnel is open.
//
//   npm install express express-wstunnel
//   node own-check.mjs
//
// Settings: PORT, VNC_PORT (see README.md). The program prints a cookie of each user to try.
import express from 'express';
import { wstunnel } from 'express-wstunnel';
import { accountOfCookie, accounts } from './accounts.mjs'; // (the Cookie header, { signal }) => the account, or undefined

const VNC_PORT = Number(process.env.VNC_PORT ?? 5900);

const tunnel = wstunnel({
  server: { port: VNC_PORT },
  // The signal is aborted when the client disconnects or the time for the answer is over.
  authenticate: async (req, { signal }) => {
    const account = await accountOfCookie(req.headers.cookie, { signal });
    if (!account) return false; // 401
    if (!account.hasDesktop) return { status: 403, body: 'Your plan has no desktop.\n' };
    req.user = account;
    return true; // only `true` opens the tunnel
  },
  revalidate: 60, // seconds; any other answer ends the tunnel
});

const app = express();
app.use('/vnc', tunnel);

for (const { username, token } of accounts) console.log(`${username}: Cookie: account=${token}`);

const server = app.listen(process.env.PORT ?? 8080, '127.0.0.1', (error) => {
  if (error) throw error;
  console.log(`listening on http://127.0.0.1:${server.address().port}/`);
});
