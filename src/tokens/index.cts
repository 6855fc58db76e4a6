import type * as all from './index.js';
import required = require('./index.js');

// `require('express-wstunnel/tokens')`, with the types as members of the object.
const tokens: {
  apiTokens: typeof all.apiTokens;
  fileTokens: typeof all.fileTokens;
  folderTokens: typeof all.folderTokens;
  jwtTokens: typeof all.jwtTokens;
  redisTokens: typeof all.redisTokens;
  socketTokens: typeof all.socketTokens;
  tokenServer: typeof all.tokenServer;
} = required;

declare namespace tokens {
  export type ApiTokensOptions = all.ApiTokensOptions;
  export type FileTokensOptions = all.FileTokensOptions;
  export type IoRedisTokenClient = all.IoRedisTokenClient;
  export type JwtKey = all.JwtKey;
  export type JwtTokensOptions = all.JwtTokensOptions;
  export type NodeRedisTokenClient = all.NodeRedisTokenClient;
  export type RedisTokensOptions = all.RedisTokensOptions;
  export type TokenAnswer = all.TokenAnswer;
  export type TokenContext = all.TokenContext;
  export type TokenServer = all.TokenServer;
  export type TokenServerOptions = all.TokenServerOptions;
  export type TokenSource = all.TokenSource;
}

export = tokens;
