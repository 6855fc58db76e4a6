/** The defaults, each with its reason. Times in seconds, sizes in bytes. */
export const DEFAULTS = {
  /** Bytes are what tunnels carry; text frames would have to be UTF-8. */
  frameType: 'binary',
  /** lighttpd's. */
  balance: 'fair',
  /** Pages of other sites must not use the login of who visits them. */
  origins: 'same',
  /** Below the 60 s after which most proxies drop a silent connection. */
  pingInterval: 30,
  /**
   * Longer than any stall of a living network; with the interval, a dead client is gone within a minute. Bytes under way lengthen
   * it (frames/heartbeat.ts).
   */
  pongTimeout: 20,
  /** Long enough for a slow login and a sleeping backend, short enough to free what hangs. */
  handshakeTimeout: 30,
  /** What is under way over a slow line arrives; a dead peer does not hold the backend. */
  closeTimeout: 10,
  /** Twelve megabytes at 13 kB/s; nobody can keep a closed tunnel for longer by a byte now and then. */
  drainTimeout: 900,
  /** lighttpd's `server.max-write-idle`. A slow line accepts more every few minutes at the least. */
  writeTimeout: 360,
  /** Silence is lawful. */
  idleTimeout: 0,
  maxDuration: 0,
  refuseWith: 'http',
  /** Keeps a fast line busy over 100 ms; bounds a thousand stalled tunnels to 2 GiB. */
  buffered: 1024 * 1024,
  /**
   * A request on its way costs some 20 KB, and may hold 64 KiB more that its client sent early: 1,000 are less than a hundred
   * MiB. Where a thousand clients connect in the same moment, as after a restart, 570 were on their way at once (measured): that
   * many pass, even from the one address of a proxy that is not trusted. A quarter stays for the others.
   */
  opening: { total: 1000, perClient: 750 },
  /** lighttpd's `connect-timeout`. */
  connectTimeout: 8,
  /** lighttpd's `disable-time`. */
  disableTime: 1,
  /** Finds a dead backend although a tunnel may be silent for hours. */
  keepAlive: 60,
  /** lighttpd keeps four, for requests of milliseconds. A desktop that nobody looks at only costs memory. */
  minProcs: 0,
  /** lighttpd's: no visitor starts programs without end. */
  maxProcs: 4,
  /** lighttpd's: a desktop is for one. */
  maxLoadPerProc: 1,
  /** lighttpd's `idle-timeout`: who reloads the page finds the desktop again. */
  spawnIdleTimeout: 60,
  /** lighttpd's `kill-signal`. */
  killSignal: 'SIGTERM',
  /** lighttpd's `listen-backlog`. */
  listenBacklog: 1024,
  /** lighttpd copies everything, and so the app's passwords and keys. This much a program needs to run at all. */
  copyEnvironment: [
    ...['PATH', 'HOME', 'USER', 'LOGNAME', 'SHELL'],
    ...['LANG', 'LC_ALL', 'LC_CTYPE', 'TZ', 'TMPDIR'],
  ] as readonly string[],
} as const;
