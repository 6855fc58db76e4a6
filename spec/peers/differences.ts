/**
 * What differs from lighttpd on purpose, and why: the rows of the table in src/lighttpd/README.md. A case that differs names one of them.
 */
export const DIFFERENCES = {
  'frame type, by default': 'tunnels carry bytes; text would have to be UTF-8',
  'origins, by default': "other sites must not use a visitor's login",
  'origins, in a list': 'an entry for a site means that site',
  'h2c in `Upgrade`': 'the list only has to include `websocket` (RFC 6455, 4.2.1)',
  'an upgrade that is no handshake': 'a client that asks for a WebSocket gets the reason',
  '`Sec-WebSocket-Version`': 'RFC 6455, 4.2.2',
  '`Sec-WebSocket-Key`': 'RFC 6455, 4.2.1',
  subprotocols: 'browsers end a connection with a subprotocol that they have not offered',
  'keys that begin with a slash': 'a login is mounted on segments: a path outside of the login must not open',
  'keys that are whole numbers': 'JavaScript orders the names of an object like this',
  'URLs written in another way': "conditions see the path that Express's router sees",
  'unknown and impossible values': 'a typing error must not choose for you',
  '`port` left out': 'no VNC server or SSH daemon listens on port 80',
  DNS: 'backends move, and may start later',
  'status where no backend answers': 'the three cases need different repairs',
  'how many hosts are tried': 'a working host is found',
  '`disable-time` of the only host': 'there is no other host to try',
  '`disable-time` 0': '0 means no time',
  '`hash` and hosts on one address': 'several servers on one machine share the load',
  'broken frames': 'RFC 6455, 5',
  'data frames of 2,048 to 4,095 bytes': 'noVNC sends pieces of 10,240 bytes',
  'text that is not UTF-8': 'browsers end a connection with such a frame (RFC 6455, 8.1)',
  PINGs: 'proxies drop silent connections, and the backend of a dead client is freed',
  'the payload of a PING': 'a payload would carry no information',
  'the code in a Close': 'RFC 6455, 5.5.1',
  'the answer to a Close': 'RFC 6455, 5.5.1',
  'data right before a Close': 'no data are lost',
  'a backend that ends': 'an end in order is not a failure',
  'a backend that fails': 'clients can distinguish the failure from a server that goes away',
  'a silent client': 'a viewer of a desktop sends nothing',
} as const;

export type Difference = keyof typeof DIFFERENCES;
