/**
 * What differs from lighttpd on purpose, and why: the rows of the README's table. A case that differs names one of them.
 */
export const DIFFERENCES = {
  'frame type, by default': 'tunnels carry bytes; text would have to be UTF-8',
  'origins, by default': 'other sites must not use the login of who visits them',
  'origins, in a list': 'who allows a site means that site',
  'h2c in `Upgrade`': 'the list only has to include `websocket` (RFC 6455, 4.2.1)',
  'an upgrade that is no handshake': 'who asks for a WebSocket is told what is wrong',
  '`Sec-WebSocket-Version`': 'RFC 6455, 4.2.2',
  '`Sec-WebSocket-Key`': 'RFC 6455, 4.2.1',
  subprotocols: 'browsers end a connection whose subprotocol they have not offered',
  'keys that begin with a slash': 'a login is mounted on segments: what it does not guard must not open',
  'keys that are whole numbers': 'JavaScript orders the names of an object so',
  'URLs written in another way': "conditions see what Express's router sees",
  'unknown and impossible values': 'a typing error must not choose for you',
  '`port` left out': 'no VNC server or SSH daemon listens there',
  DNS: 'backends move, and may come up later',
  'status where no backend answers': 'they call for different repairs',
  'how many hosts are tried': 'one that works is found',
  '`disable-time` of the only host': 'there is no other to go to',
  '`disable-time` 0': 'that is what 0 says',
  '`hash` and hosts on one address': 'several servers on one machine share the load',
  'broken frames': 'RFC 6455, 5',
  'data frames of 2,048 to 4,095 bytes': 'noVNC sends pieces of 10,240 bytes',
  'text that is not UTF-8': 'browsers end a connection with such a frame (RFC 6455, 8.1)',
  PINGs: 'proxies drop silent connections, and the backend of a dead client is freed',
  'the payload of a PING': 'there is nothing to say',
  'the code in a Close': 'RFC 6455, 5.5.1',
  'the answer to a Close': 'RFC 6455, 5.5.1',
  'data right before a Close': 'nothing is lost',
  'a backend that ends': 'an end in order is no failure',
  'a backend that fails': 'clients can tell it from a server that goes away',
  'a silent client': 'a desktop that is only looked at sends nothing',
} as const;

export type Difference = keyof typeof DIFFERENCES;
