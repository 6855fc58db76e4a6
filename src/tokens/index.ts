export { apiTokens, type ApiTokensOptions } from './api-tokens.js';
export { fileTokens, type FileTokensOptions } from './file-tokens.js';
export { folderTokens } from './folder-tokens.js';
export { jwtTokens, type JwtTokensOptions } from './jwt-tokens.js';
export type { JwtKey } from './jwt/jwt-key.js';
export {
  redisTokens,
  type IoRedisTokenClient,
  type NodeRedisTokenClient,
  type RedisTokensOptions,
} from './redis-tokens.js';
export { socketTokens } from './socket-tokens.js';
export { tokenServer, type TokenServer, type TokenServerOptions } from './token-server.js';
export type { TokenAnswer, TokenContext, TokenSource } from './token-types.js';
