import type * as types from '../types.js';
import type * as clusters from './index.js';
import required = require('./index.js');

// `require('express-wstunnel/cluster')`, with the types as members of the object.
const cluster: {
  clusterShared: typeof clusters.clusterShared;
} = required;

declare namespace cluster {
  export type ClusterOptions = clusters.ClusterOptions;
  export type SharedState = types.SharedState;
}

export = cluster;
