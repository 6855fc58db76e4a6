import process from 'node:process';

/** `OPERATIONS_PATIENCE=10` multiplies the deadlines of the play by ten, for a busy machine. */
export const PATIENCE = Number(process.env.OPERATIONS_PATIENCE ?? 1);
