// Beside socket.io: both use one server; socket.io gets the upgrades of its path, the tunnel those of the mount path.
//
//   npm install express express-session socket.io express-wstunnel @novnc/novnc
//   node socket-io.mjs
//
// Settings: PORT, VNC_PORT, PASSWORD, SESSION_SECRET (see README.md).
import { createServer } from 'node:http';
import express from 'express';
import { wstunnel } from 'express-wstunnel';
import { Server } from 'socket.io';
import { desktopPage } from './desktop-page.mjs';
import { login, requireLogin } from './login.mjs';

const VNC_PORT = Number(process.env.VNC_PORT ?? 5900);

const app = express();
const server = createServer(app);

const io = new Server(server); // socket.io needs a login as well: io.use()
io.on('connection', (socket) => socket.emit('hello'));

app.use(login);
app.use('/vnc', requireLogin, wstunnel({ server: { port: VNC_PORT } }));

app.use(desktopPage('/vnc'));

server.listen(process.env.PORT ?? 8080, '127.0.0.1', () => {
  console.log(`listening on http://127.0.0.1:${server.address().port}/`);
});
