/** The end of a backend that says why: the client's Close has this message as its reason. */
export class BackendClosed extends Error {}
