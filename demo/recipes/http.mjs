// Plain http: the tunnel without a framework.
//
//   npm install express express-wstunnel
//   node http.mjs
//
// Settings: PORT, VNC_PORT (see README.md). The program prints a cookie of each user to try. Express is a peer
// dependency of the package; this program does not import it.
import { createServer } from 'node:http';
import { wstunnel } from 'express-wstunnel';
import { accountOfCookie, accounts } from './accounts.mjs'; // (the Cookie header, { signal }) => the account, or undefined

const VNC_PORT = Number(process.env.VNC_PORT ?? 5900);

const tunnel = wstunnel({
  url: '/vnc',
  server: { port: VNC_PORT },
  authenticate: async (req, { signal }) => {
    return (await accountOfCookie(req.headers.cookie, { signal })) !== undefined;
  },
});

const server = createServer((req, res) => {
  // Answers the requests that are not for the tunnel.
  const next = () => {
    res.statusCode = 404;
    res.end('not found\n');
  };
  tunnel(req, res, next);
});

for (const { username, token } of accounts) console.log(`${username}: Cookie: account=${token}`);

server.listen(process.env.PORT ?? 8080, '127.0.0.1', () => {
  console.log(`listening on http://127.0.0.1:${server.address().port}/`);
});
