/**
 * What `mod_wstunnel` has, row by row of its documentation and source, and the cases that ask both for it; `elsewhere` is
 * where a row has its test instead.
 */
export type Row = readonly string[] | { readonly elsewhere: string };

const spawning = { elsewhere: 'spec/peers/spawn.spec.ts' };
const forced = ['options without a meaning for tunnels are taken'];

export const ROWS: Readonly<Record<string, Row>> = {
  // Directives.
  'wstunnel.server: a prefix': [
    'keys: a prefix',
    'keys: a prefix that ends inside a segment',
    'keys: a prefix that ends with a slash',
  ],
  'wstunnel.server: a suffix': ['keys: a suffix', 'keys that are whole numbers'],
  'wstunnel.server: ""': ['keys: "" is every path', 'keys: "" at the beginning hides the others'],
  'wstunnel.server: the first match wins': [
    'keys: the first that fits counts, not the longest',
    'keys: a suffix before a prefix, "" at the end',
  ],
  'wstunnel.server: labels of hosts are free': ['round-robin'],
  'wstunnel.balance: the default': ['the default is fair'],
  'wstunnel.balance: an unknown value': ['an unknown balance'],
  'wstunnel.debug': ['debug: 0 to 65535'],
  'wstunnel.map-extensions': [
    'map-extensions: several endings to one key',
    'map-extensions: come before the keys; an unknown key changes nothing',
  ],
  'wstunnel.frame-type: the default': ['frame-type: the default'],
  'wstunnel.frame-type: text': ['frames to the client are text under frame-type text'],
  'wstunnel.frame-type: binary': [
    'frames to the client are binary under frame-type binary',
    'frame-type: a value in other letter case',
  ],
  'wstunnel.frame-type: the subprotocol binary forces binary': [
    'subprotocols under text frames: binary is taken and forces binary frames',
  ],
  'wstunnel.origins: the default': ['origins: none are given', 'origins: all, said so'],
  'wstunnel.origins: on a dot boundary': ['origins: a list, on a dot boundary'],
  'wstunnel.origins: letter case': ['origins: an entry with its scheme'],
  'wstunnel.origins: no Origin is 400': ['origins: a list and no Origin'],
  'wstunnel.origins: a mismatch is 403': ['origins: a bare host as an entry, and what only ends like it'],
  'wstunnel.origins: an empty entry': ['origins: an empty entry is refused at the start'],
  'wstunnel.ping-interval': ['ping-interval: sends PINGs with no deadline for the PONG'],
  'wstunnel.ping-interval: no deadline': ['ping-interval: a client that never answers'],

  // Conditions.
  '$HTTP["url"]': [
    'url =~',
    'url: a path that is written in another way',
    'no server where no condition holds',
  ],
  '$HTTP["host"]': ['host ==, with and without a port', 'host == with a port', 'host !=, =~, =^ and =$'],
  '$HTTP["remoteip"], an address and CIDR': ['remoteip ==, an address', 'remoteip == and !=, CIDR'],
  '$HTTP["querystring"]': [
    'querystring',
    'querystring == "": there is none',
    'querystring: written in another way',
  ],
  '$HTTP["scheme"]': ['scheme'],
  '$REQUEST_HEADER["..."]': [
    'request headers, whatever their letter case; a missing one is empty',
    'a header that is missing: == "" and !=',
    'a header that came twice',
  ],
  '=~': ['url =~'],
  '!~': ['url !~'],
  '==': ['url =='],
  '!=': ['url !='],
  '=^': ['url =^'],
  '=$': ['url =$'],
  else: ['else'],
  'nested conditions': ['nested conditions'],
  'the last match, directive by directive': [
    'later over earlier, directive by directive',
    'a directive in a condition alone: frame-type, with the server of outside',
  ],

  // Host options.
  'host, port': ['host and port', 'host: a name'],
  'port: 80 if unset': ['port: left out', 'port: one that is none'],
  socket: ['socket', 'socket: several, one of them dead'],
  'socket: not with host and port': ['socket together with host and port is refused at the start'],
  'host: beginning with "/"': ['host: one that begins with "/" is a socket'],
  'connect-timeout': [
    'connect-timeout: nothing else is up',
    'connect-timeout: the next host is tried, the stalled one is left out',
  ],
  'disable-time': ['disable-time: the host comes back by itself', 'disable-time 0'],
  'read-timeout': [
    'read-timeout: a backend that is silent',
    'read-timeout: a backend that speaks is left alone',
  ],
  'write-timeout': ['write-timeout: a backend that takes nothing'],
  'bin-path': spawning,
  'bin-environment': spawning,
  'bin-copy-environment': spawning,
  'min-procs': spawning,
  'max-procs': spawning,
  'max-load-per-proc': spawning,
  'idle-timeout': spawning,
  'kill-signal': spawning,
  'listen-backlog': spawning,
  'tcp-fin-propagate': [...forced, 'half-close: the client ends, and what the backend answers to that'],
  upgrade: forced,
  'check-local': forced,
  'mode: authorizer is an error': ['a wrong host option is refused at the start'],
  'docroot, broken-scriptfilename, strip-request-uri, fix-root-scriptname, x-sendfile*': forced,
  'an unknown option': ['an unknown host option'],
  'DNS once, at the start': ['host: a name that is unknown'],

  // Balance.
  'one host bypasses it': [
    'one host under fair',
    'one host under round-robin',
    'one host under hash',
    'one host under sticky',
  ],
  'hosts that are down are skipped': [
    'fair with a dead host: the others share',
    'round-robin: the first host dies in between',
  ],
  'fair: the lowest load, of equals the first': ['fair', 'fair: one after the other, all to the first'],
  'fair: connecting counts': ['fair: a tunnel that is still connecting counts'],
  'least-connection': ['least-connection is fair'],
  'round-robin': [
    'round-robin',
    'round-robin: held tunnels change nothing',
    'round-robin: a dead host is passed over, and has its turn when it is back',
  ],
  'hash: by authority and path': [
    'hash: the same Host and path have the same backend, whatever the query',
    'hash: by the Host as well',
  ],
  'sticky: by client address': ['sticky: the same client has the same backend, whatever the path'],
  'only the keys of a dead host move': [
    'hash: the same Host and path have the same backend, whatever the query',
    'sticky: the same client has the same backend, whatever the path',
  ],
  'how keys are split': ['hash: several hosts are used', 'hash: hosts on one address'],

  // Failure.
  '101 only after the backend connects': [
    '101 comes only when the backend is connected, and what was sent early is kept',
  ],
  'a connect error disables the host': [
    'the first of two refuses: the next one is tried, the client notices nothing',
  ],
  'it comes back by itself': ['disable-time: the host comes back by itself'],
  'up to 5 tries, then 503': ['refused: how many hosts are tried', 'all of several refuse'],
  'a connect timeout: one retry, then 503': ['connect-timeout: how many hosts are tried'],
  'no host up: 503': [
    'no host up: 503 at once, without another attempt',
    'a backend that refuses',
    'a socket that is not there',
  ],
  'logged once per outage': ['no host up is said once for each outage'],
  'backend error: 1011': ['the backend resets'],
  'backend end: 1001': ['the backend ends', 'the backend ends at once, with a banner'],
  'client Close: 1000': [
    'the client closes with 1000',
    'the client closes with a code of its own',
    'the client closes without a code',
    'the Close has its code as two bytes',
    'frames behind a Close are not read',
  ],
  'protocol error: 1002': ['a reserved opcode', 'a frame without a mask'],
  'idle client: 1001': ['a silent client: lighttpd has server.max-read-idle'],
  'no message is assembled': ['a frame of 8 MiB flows before it is complete'],
  'reading pauses': [
    'a backend that stalls: the client is not read without end, and all arrives in the end',
    'a client that stalls: the backend is not read without end, and all arrives in the end',
  ],
  "a backend's close delivers what came before": [
    'the backend ends behind its data: all of it is delivered',
    'the backend ends behind 3 MB: all of it is delivered',
  ],
  counters: ['counters: the load rises with each tunnel and falls with its end'],
  'CVE-2022-37797: a bad handshake': [
    'a missing version, with bytes behind it',
    'bad handshakes that both refuse',
  ],
  'CVE-2022-41556: a half-closed peer': [
    'counters: a client that half-closes or resets leaves no load behind',
  ],

  // Debian's 1.4.69 beside the newest.
  'the subprotocol binary, offered or not': ['subprotocols under binary frames: binary is not offered'],
  'close codes as digits': ['the Close has its code as two bytes'],
  'reserved bits': ['reserved bits'],
  'stray continuations': ['a continuation of nothing'],
  'new data inside a fragmented message': ['a new message inside a fragmented one'],
  'fragmented and oversized control frames': ['a control frame in fragments', 'a control frame of 126 bytes'],
  'version 8': ['versions other than 13'],
  'a length with the top bit set': ['a length with its top bit set'],
  'a missing version header': ['a missing version, with bytes behind it'],

  // Ours.
  'other defaults': ['frame-type: the default', 'origins: none are given'],
  'text frames split on characters': ['text: a character that the backend sends in two pieces'],
  'the url undecoded': ['url: a path that is written in another way'],
  'within the mount': { elsewhere: 'lighttpd has no mounts: spec/unit/routes/url.spec.ts' },
};
