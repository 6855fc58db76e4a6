import type * as client from 'express-wstunnel/client';

export function through(
  exports: Pick<typeof client, 'connect' | 'listen' | 'ClientError' | 'TunnelError'>,
): Promise<void>;
