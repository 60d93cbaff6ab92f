// Importer options from a small JSON recipe.
import { fixedSize, rabin } from 'ipfs-unixfs-importer/chunker'
import { balanced, trickle } from 'ipfs-unixfs-importer/layout'

export const PROFILES = {
  // `ipfs add` of kubo before the 2025 profiles
  'kubo-v0': { cidVersion: 0, rawLeaves: false, chunker: 'size-262144', layout: 'balanced', maxChildren: 174 },
  // `ipfs add --cid-version=1` (raw leaves)
  'kubo-v1': { cidVersion: 1, rawLeaves: true, chunker: 'size-262144', layout: 'balanced', maxChildren: 174 },
  // UnixFS CID profile unixfs-v1-2025, also the default of @helia/unixfs
  'v1-2025': { cidVersion: 1, rawLeaves: true, chunker: 'size-1048576', layout: 'balanced', maxChildren: 1024 }
}

export function parseChunker (s) {
  let m
  if ((m = /^size-(\d+)$/.exec(s)) != null) return fixedSize({ chunkSize: Number(m[1]) })
  if (s === 'rabin') return rabin({ avgChunkSize: 262144, minChunkSize: Math.floor(262144 / 3), maxChunkSize: 262144 + 262144 / 2 })
  if ((m = /^rabin-(\d+)$/.exec(s)) != null) {
    const avg = Number(m[1])
    return rabin({ avgChunkSize: avg, minChunkSize: Math.floor(avg / 3), maxChunkSize: avg + Math.floor(avg / 2) })
  }
  if ((m = /^rabin-(\d+)-(\d+)-(\d+)$/.exec(s)) != null) {
    return rabin({ minChunkSize: Number(m[1]), avgChunkSize: Number(m[2]), maxChunkSize: Number(m[3]) })
  }
  throw new Error('unknown chunker ' + s)
}

// recipe: {profile?, cidVersion?, rawLeaves?, chunker?, layout?, maxChildren?, leafType?, reduceSingleLeafToSelf?,
//          shardSplitThresholdBytes?, shardFanoutBits?}
export function resolveRecipe (r = {}) {
  const p = { ...PROFILES[r.profile ?? 'kubo-v1'], ...r }
  if (r.profile != null && PROFILES[r.profile] == null) throw new Error('unknown profile ' + r.profile)
  delete p.profile
  return p
}

export function importerOptions (r) {
  const p = resolveRecipe(r)
  const children = { maxChildrenPerNode: p.maxChildren }
  const o = {
    cidVersion: p.cidVersion,
    rawLeaves: p.rawLeaves,
    chunker: parseChunker(p.chunker),
    layout: p.layout === 'trickle' ? trickle({ ...children, layerRepeat: 4 }) : balanced(children),
    fieldOrder: 'links-first'
  }
  const optional = ['leafType', 'reduceSingleLeafToSelf', 'shardSplitThresholdBytes', 'shardFanoutBits', 'shardSplitStrategy',
    'wrapWithDirectory']
  for (const k of optional) {
    if (p[k] !== undefined) o[k] = p[k]
  }
  return o
}
