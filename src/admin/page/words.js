// What the stable codes of refusals and states mean, in words.
const REFUSALS = {
  WSTUNNEL_BAD_HANDSHAKE: 'Invalid WebSocket handshake',
  WSTUNNEL_WRONG_VERSION: 'Unsupported WebSocket version',
  WSTUNNEL_ORIGIN_MISSING: 'No Origin header',
  WSTUNNEL_ORIGIN_REFUSED: 'Page of another site',
  WSTUNNEL_ENDED: 'Ended by an administrator',
  WSTUNNEL_PATH_REFUSED: 'Path not allowed',
  WSTUNNEL_ADDRESS_REFUSED: 'Address not allowed',
  WSTUNNEL_TICKET_REFUSED: 'Invalid or used ticket',
  WSTUNNEL_NOT_AUTHENTICATED: 'Not logged in',
  WSTUNNEL_NO_TARGET: 'No backend for this request',
  WSTUNNEL_CLIENT_GONE: 'Client left early',
  WSTUNNEL_ANSWERED: 'Answered by the app',
  WSTUNNEL_TOO_MANY: 'Limit of the client reached',
  WSTUNNEL_HOOK_FAILED: 'Error in the app',
  WSTUNNEL_BACKEND_ANSWERED: 'Refused by the backend',
  WSTUNNEL_BACKEND_REFUSED: 'Backend not reachable',
  WSTUNNEL_VNC_REFUSED: 'Refused by the VNC server',
  WSTUNNEL_NO_BACKEND: 'All backends are down',
  WSTUNNEL_EXHAUSTED: 'This server has no resources left',
  WSTUNNEL_FULL: 'All backends are full',
  WSTUNNEL_STATE_DOWN: 'Shared state not reachable',
  WSTUNNEL_DRAINING: 'Shutting down',
  WSTUNNEL_NOT_ATTACHED: 'Server not attached',
  WSTUNNEL_BACKEND_TIMEOUT: 'Backend too slow',
  WSTUNNEL_HANDSHAKE_TIMEOUT: 'Handshake too slow',
};

/** A code that this page does not know keeps its name. */
export const refusalWords = (code) =>
  Object.hasOwn(REFUSALS, code)
    ? REFUSALS[code]
    : code
        .replace(/^WSTUNNEL_/, '')
        .replaceAll('_', ' ')
        .toLowerCase();
