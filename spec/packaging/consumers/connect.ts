import connect from 'connect';
import { wstunnel } from 'express-wstunnel';

const tunnel = wstunnel({ server: { port: 1 }, user: (req) => req.headers.from });
const app = connect();
app.use(tunnel);
app.use('/vnc', tunnel);
app.use('/vnc', wstunnel<connect.IncomingMessage>({ server: { port: 1 }, user: (req) => req.originalUrl }));
