import type { TunnelError, wstunnel } from 'express-wstunnel';

export function through(create: typeof wstunnel, Failure: typeof TunnelError): Promise<void>;
