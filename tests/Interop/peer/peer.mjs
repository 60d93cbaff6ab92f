#!/usr/bin/env node
// A Helia / js-libp2p node driven by JSON lines, as a foreign peer for interop tests.  Needs Node 24 (package.json has it).
import { createHash } from 'node:crypto'
import { createInterface } from 'node:readline'
import { parseArgs } from 'node:util'
import { identify, identifyPush } from '@libp2p/identify'
import { generateKeyPairFromSeed } from '@libp2p/crypto/keys'
import { kadDHT, removePublicAddressesMapper, removePrivateAddressesMapper, passthroughMapper } from '@libp2p/kad-dht'
import { mdns } from '@libp2p/mdns'
import { mplex } from '@libp2p/mplex'
import { noise } from '@libp2p/noise'
import { noise as noiseChainsafe } from '@chainsafe/libp2p-noise'
import { peerIdFromString } from '@libp2p/peer-id'
import { ping } from '@libp2p/ping'
import { tcp } from '@libp2p/tcp'
import { yamux } from '@libp2p/yamux'
import { withBitswap } from '@helia/bitswap'
import { withLibp2pLight } from '@helia/libp2p'
import { unixfs } from '@helia/unixfs'
import { multiaddr } from '@multiformats/multiaddr'
import { MemoryBlockstore } from 'blockstore-core'
import { FsBlockstore } from 'blockstore-fs'
import { createHeliaLight } from 'helia'
import { importer } from 'ipfs-unixfs-importer'
import toBuffer from 'it-to-buffer'
import { CID } from 'multiformats/cid'
import * as raw from 'multiformats/codecs/raw'
import { identity } from 'multiformats/hashes/identity'
import { sha256, sha512 } from 'multiformats/hashes/sha2'
import { importerOptions } from './common.mjs'
import { genBytes, genStream, keySeed } from './gen.mjs'

const { values: A } = parseArgs({
  options: {
    port: { type: 'string', default: '0' },
    host: { type: 'string', default: '127.0.0.1' },
    muxer: { type: 'string', default: 'yamux' }, // yamux | mplex | yamux,mplex | mplex,yamux (order = preference)
    key: { type: 'string' }, // name of a deterministic Ed25519 key (gen.mjs keySeed)
    'key-hex': { type: 'string' }, // or its 32-byte seed in hex
    store: { type: 'string', default: 'memory' }, // memory | fs:DIR
    dht: { type: 'string', default: 'off' }, // off | lan | amino | both
    'dht-mode': { type: 'string', default: 'server' }, // server | client
    // passthrough | default (as in kubo and helia: lan keeps private addresses, amino public ones)
    'dht-mapper': { type: 'string', default: 'passthrough' },
    'mplex-defaults': { type: 'boolean', default: false }, // keep js mplex's limit of 5 new inbound streams per second
    'cm-defaults': { type: 'boolean', default: false }, // keep js limits: 5 new inbound connections per second and host, 10 pending
    'mplex-max-msg': { type: 'string' }, // bytes
    'noise-impl': { type: 'string', default: 'libp2p' }, // libp2p | chainsafe
    bitswap: { type: 'string', default: '/ipfs/bitswap/1.2.0' }, // comma list of protocol ids to accept (it always dials 1.2.0)
    'no-bitswap': { type: 'boolean', default: false },
    mdns: { type: 'boolean', default: false },
    'mdns-service': { type: 'string' },
    'no-monitor': { type: 'boolean', default: false }, // no 10 s ping of every connection
    'no-identify': { type: 'boolean', default: false },
    'resend-window': { type: 'string' } // ms; bitswap doNotResendBlockWindow, default 5000
  }
})

const out = (o) => process.stdout.write(JSON.stringify(o, (k, v) => typeof v === 'bigint' ? Number(v) : v) + '\n')
const hex = (u) => Buffer.from(u).toString('hex')
const sec = (t0) => Math.round((performance.now() - t0) * 1000) / 1e6
process.on('unhandledRejection', (e) => process.stderr.write('unhandledRejection ' + (e?.stack ?? e) + '\n'))
process.on('uncaughtException', (e) => process.stderr.write('uncaughtException ' + (e?.stack ?? e) + '\n'))

// ---------------------------------------------------------------- node
const seed = A['key-hex'] != null ? Buffer.from(A['key-hex'], 'hex')
  : A.key != null ? keySeed(A.key)
    : crypto.getRandomValues(new Uint8Array(32))
const privateKey = await generateKeyPairFromSeed('Ed25519', seed)

const muxers = A.muxer.split(',').map(m => {
  if (m === 'yamux') return yamux()
  if (m === 'mplex') {
    return mplex({
      ...(A['mplex-defaults'] ? {} : { disconnectThreshold: Number.MAX_SAFE_INTEGER }),
      ...(A['mplex-max-msg'] != null ? { maxMessageSize: Number(A['mplex-max-msg']) } : {})
    })
  }
  throw new Error('unknown muxer ' + m)
})

const services = {}
if (!A['no-identify']) { services.identify = identify(); services.identifyPush = identifyPush() }
services.ping = ping({ maxInboundStreams: 32, maxOutboundStreams: 32 })
const dhtOpts = (mapper, extra) => ({
  clientMode: A['dht-mode'] !== 'server',
  peerInfoMapper: A['dht-mapper'] === 'passthrough' ? passthroughMapper : mapper,
  allowQueryWithZeroPeers: true,
  ...extra
})
if (A.dht === 'lan' || A.dht === 'both') {
  services.dhtLan = kadDHT(dhtOpts(removePublicAddressesMapper, {
    protocol: '/ipfs/lan/kad/1.0.0', logPrefix: 'libp2p:dht-lan', datastorePrefix: '/dht-lan', metricsPrefix: 'libp2p_dht_lan'
  }))
}
if (A.dht === 'amino' || A.dht === 'both') {
  services.dhtAmino = kadDHT(dhtOpts(removePrivateAddressesMapper, {
    protocol: '/ipfs/kad/1.0.0', logPrefix: 'libp2p:dht-amino', datastorePrefix: '/dht-amino', metricsPrefix: 'libp2p_dht_amino'
  }))
}

const blockstore = A.store === 'memory' ? new MemoryBlockstore() : new FsBlockstore(A.store.replace(/^fs:/, ''))
if (typeof blockstore.open === 'function') await blockstore.open()

let node = withLibp2pLight(createHeliaLight({ blockstore, hashers: [sha512] }), {
  privateKey,
  nodeInfo: { name: 'helia-peer', version: '1.0.0' },
  addresses: { listen: [`/ip4/${A.host}/tcp/${A.port}`] },
  transports: [tcp()],
  connectionEncrypters: [A['noise-impl'] === 'chainsafe' ? noiseChainsafe() : noise()],
  streamMuxers: muxers,
  peerDiscovery: A.mdns ? [mdns({ ...(A['mdns-service'] != null ? { serviceTag: A['mdns-service'] } : {}) })] : [],
  connectionGater: { denyDialMultiaddr: () => false },
  connectionManager: A['cm-defaults'] ? {} : { inboundConnectionThreshold: 1e6, maxIncomingPendingConnections: 1000 },
  connectionMonitor: { enabled: !A['no-monitor'] },
  services
})
if (!A['no-bitswap']) {
  node = withBitswap(node, {
    protocols: A.bitswap.split(','),
    ...(A['resend-window'] != null ? { doNotResendBlockWindow: Number(A['resend-window']) } : {})
  })
}
await node.start()
const libp2p = node.libp2p
const fs = unixfs(node)
const bitswap = () => {
  const b = node.blockBrokers.find(b => b.name === 'bitswap')?.bitswap
  if (b == null) throw new Error('no bitswap')
  return b
}

// ---------------------------------------------------------------- test protocols
const CHUNK = new Uint8Array(64 * 1024)
/** To a reader that is as fast as a sending loop, send() never says "wait": without a pause nothing is read meanwhile, not even a reset. */
const breath = () => new Promise(resolve => setImmediate(resolve))
async function sendN (stream, n) {
  for (let i = 1; n > 0; i++) {
    if (i % 64 === 0) await breath()
    const c = n >= CHUNK.length ? CHUNK : CHUNK.subarray(0, n)
    n -= c.length
    if (!stream.send(c)) await stream.onDrain({ signal: AbortSignal.timeout(120_000) })
  }
}
const EOF = Symbol('eof')
function reader (stream) { // callback reader without per-chunk promises
  let onData = () => {}
  const done = Promise.withResolvers()
  const fin = () => setTimeout(() => done.resolve(EOF), 0)
  stream.addEventListener('message', (e) => onData(e.data))
  stream.addEventListener('remoteCloseWrite', fin)
  stream.addEventListener('close', (e) => { if (e.error != null) done.reject(e.error); else fin() })
  if (stream.remoteWriteStatus === 'closed') fin()
  return { set onData (f) { onData = f }, done: done.promise }
}
// /perf/1.0.0 of the libp2p specs: the client sends the u64 (big-endian) of bytes wanted back, uploads, and closes its side for writing;
// the server answers with that many bytes
libp2p.handle('/perf/1.0.0', async (stream) => {
  const head = new Uint8Array(8)
  let got = 0
  const r = reader(stream)
  r.onData = (d) => {
    for (let i = got; i < 8 && i - got < d.byteLength; i++) head[i] = d.get != null ? d.get(i - got) : d[i - got]
    got += d.byteLength
  }
  try {
    await r.done
    const n = Number(new DataView(head.buffer).getBigUint64(0))
    await sendN(stream, n)
    await stream.close()
  } catch (e) { stream.abort(e) }
}, { maxInboundStreams: 1000, maxOutboundStreams: 1000 })
// /echo/1.0.0: sends back what arrives, closes write at EOF
libp2p.handle('/echo/1.0.0', async (stream) => {
  try {
    if (stream.remoteWriteStatus === 'closed') { // everything arrived before the handler ran: iterating would wait for an end that is past
      const r = reader(stream)
      r.onData = (b) => stream.send(b)
      await r.done
    } else {
      for await (const b of stream) { if (!stream.send(b)) await stream.onDrain() }
    }
    await stream.close()
  } catch (e) { stream.abort(e) }
}, { maxInboundStreams: 1000, maxOutboundStreams: 1000 })

// ---------------------------------------------------------------- commands
const target = (s) => s.startsWith('/') ? multiaddr(s) : peerIdFromString(s)
const signalOf = (c, dflt) => AbortSignal.timeout((c.timeout ?? dflt) * 1000)
const self = () => ({
  peerId: libp2p.peerId.toString(), addrs: libp2p.getMultiaddrs().map(String), protocols: libp2p.getProtocols()
})
const streamInfo = (s) => `${s.direction}:${s.protocol}:${s.status}`
const connInfo = (c) => ({
  peer: c.remotePeer.toString(),
  addr: c.remoteAddr.toString(),
  direction: c.direction,
  muxer: c.multiplexer,
  encryption: c.encryption,
  status: c.status,
  streams: c.streams.map(streamInfo)
})

async function content (a) { // {hex}|{base64}|{text}|{size,seed}
  if (a.hex != null) return [Buffer.from(a.hex, 'hex')]
  if (a.base64 != null) return [Buffer.from(a.base64, 'base64')]
  if (a.bytes != null) return [Buffer.from(a.bytes, 'hex')]
  if (a.text != null) return [Buffer.from(a.text, 'utf8')]
  return genStream(a.seed ?? '0', a.size ?? 0)
}

class CountingStore { // counts blocks and bytes while importing
  constructor (inner) { this.inner = inner; this.blocks = new Map() }
  put (cid, b, o) { this.blocks.set(cid.toString(), b.byteLength); return this.inner.put(cid, b, o) }
  get (...a) { return this.inner.get(...a) }
  has (...a) { return this.inner.has(...a) }
}

const H = {
  async add (a) {
    const store = new CountingStore(node.blockstore)
    let last
    const pre = a.tree != null ? null : [...await content(a)] // generated before the clock starts
    const t0 = performance.now()
    const src = a.tree != null
      ? (async function * () {
          for (const f of a.tree) {
            const body = f.link != null ? { link: f.link } : f.dir === true ? {} : { content: await content(f) }
            const mtime = f.mtime != null ? { mtime: { secs: BigInt(f.mtime.secs), nsecs: f.mtime.nsecs } } : {}
            yield { path: f.path, ...body, mode: f.mode, ...mtime }
          }
        })()
      : [{ content: pre, mode: a.mode }]
    for await (const e of importer(src, store, importerOptions({ ...a, ...(a.tree != null ? { wrapWithDirectory: true } : {}) }))) last = e
    let bytes = 0
    for (const n of store.blocks.values()) bytes += n
    return { cid: last.cid.toString(), blocks: store.blocks.size, blockBytes: bytes, seconds: sec(t0) }
  },
  async put_block (a) {
    const data = a.hex != null ? Buffer.from(a.hex, 'hex') : genBytes(a.seed ?? '0', a.size ?? 0)
    const h = a.hash === 'identity' ? identity : a.hash === 'sha2-512' ? sha512 : sha256
    const cid = CID.create(a.cidVersion ?? 1, a.codec ?? raw.code, await h.digest(data))
    await node.blockstore.put(cid, data)
    return { cid: cid.toString() }
  },
  async cat (a, c) {
    const [c0, ...path] = a.split('/')
    const t0 = performance.now()
    const h = createHash('sha256')
    let n = 0; let first
    let bs = node.blockstore
    const signal = signalOf(c, 300)
    if (c.session === true) {
      const providers = (c.providers ?? []).map(p => p.startsWith('/') ? multiaddr(p) : peerIdFromString(p).toCID())
      bs = node.blockstore.createSession(CID.parse(c0), { signal, providers })
    }
    const f = bs === node.blockstore ? fs : unixfs({ blockstore: bs })
    const options = { offset: c.offset, length: c.length, offline: c.offline === true, signal }
    if (path.length > 0) options.path = path.join('/')
    if (c.concurrency != null) options.blockReadConcurrency = c.concurrency
    for await (const b of f.cat(CID.parse(c0), options)) {
      first ??= sec(t0); h.update(b); n += b.byteLength
    }
    const s = sec(t0)
    return { sha256: h.digest('hex'), length: n, seconds: s, firstByte: first, MiBps: Math.round(n / 1048576 / s * 100) / 100 }
  },
  async ls (a, c) {
    const r = []
    for await (const e of fs.ls(CID.parse(a), { signal: signalOf(c, 60), extended: true })) {
      const [type, mode, mtime] = [e.type ?? e.unixfs?.type, e.mode ?? e.unixfs?.mode, e.mtime ?? e.unixfs?.mtime]
      r.push({ name: e.name, cid: e.cid.toString(), type, size: e.size, mode, mtime })
    }
    return { entries: r }
  },
  async block_get (a, c) {
    const t0 = performance.now()
    const b = await toBuffer(node.blockstore.get(CID.parse(a), { signal: signalOf(c, 30), offline: c.offline === true }))
    const sha256 = createHash('sha256').update(b).digest('hex')
    return { length: b.byteLength, sha256, ...(c.data === true ? { hex: hex(b) } : {}), seconds: sec(t0) }
  },
  async has (a) { return { has: await node.blockstore.has(CID.parse(a)) } },
  async drop () { // forget all blocks
    const bs = node.blockstore.unwrap?.() ?? blockstore
    const l = []
    for await (const p of bs.getAll()) l.push(p.cid)
    for (const cid of l) await bs.delete(cid)
    return { dropped: l.length }
  },
  async want_have (a, c) { // asks one peer HAVE?; answers has / block inline
    const r = await bitswap().wantList.wantSessionPresence(CID.parse(a), peerIdFromString(c.peer), { signal: signalOf(c, 10) })
    return { has: r.has, inlineBlock: r.block?.byteLength ?? null }
  },
  async want_block (a, c) { // asks one peer for the block (session style; sendDontHave=true)
    const r = await bitswap().wantList.wantSessionBlock(CID.parse(a), peerIdFromString(c.peer), { signal: signalOf(c, 10) })
    return { has: r.has, length: r.block?.byteLength ?? null }
  },
  async wantlist () {
    return { wants: bitswap().getWantlist().map(w => ({ cid: w.cid.toString(), priority: w.priority, type: w.wantType })) }
  },
  async peer_wantlist (a) {
    const wants = bitswap().getPeerWantlist(peerIdFromString(a)) ?? []
    return {
      wants: wants.map(w => ({
        cid: w.cid.toString(), priority: w.priority, type: w.wantType, status: w.status, sendDontHave: w.sendDontHave
      }))
    }
  },
  async connect (a, c) {
    const t0 = performance.now()
    const conn = await libp2p.dial(target(a), { signal: signalOf(c, 15) })
    return { ...connInfo(conn), seconds: sec(t0) }
  },
  async disconnect (a) { await libp2p.hangUp(target(a)); return {} },
  async ping (a, c) { // one libp2p ping, or count on separate streams; stream:true = all on one stream
    const t = target(a); const n = c.count ?? 1; const times = []
    const signal = signalOf(c, 30)
    if (c.stream === true) {
      const s = await libp2p.dialProtocol(t, '/ipfs/ping/1.0.0', { signal })
      let want; let got = 0
      s.addEventListener('message', (e) => { got += e.data.byteLength; if (got >= 32) want?.resolve() })
      s.addEventListener('close', (e) => want?.reject(e.error ?? new Error('closed')))
      for (let i = 0; i < n; i++) {
        const t0 = performance.now(); got = 0; want = Promise.withResolvers()
        s.send(crypto.getRandomValues(new Uint8Array(32)))
        await want.promise
        times.push(performance.now() - t0)
      }
      await s.close()
    } else {
      for (let i = 0; i < n; i++) {
        const t0 = performance.now()
        await libp2p.services.ping.ping(t, { signal })
        times.push(performance.now() - t0)
      }
    }
    times.sort((x, y) => x - y)
    const r3 = (x) => Math.round(x * 1000) / 1000
    return { count: n, ms: r3(times[0]), medianMs: r3(times[n >> 1]), maxMs: r3(times[n - 1]) }
  },
  async echo (a, c) { // {"echo":target,"size":n,"seed":s}: sends n bytes over /echo/1.0.0 and checks the answer
    const s = await libp2p.dialProtocol(target(a), '/echo/1.0.0', { signal: signalOf(c, 30), maxOutboundStreams: 1000 })
    const t0 = performance.now(); const h = createHash('sha256'); const h2 = createHash('sha256'); let n = 0
    const r = reader(s)
    r.onData = (d) => { for (const b of (d.subarray != null && d.get != null ? [d.subarray()] : [d])) { h.update(b); n += b.length } }
    let i = 0
    for (const b of genStream(c.seed ?? '0', c.size ?? 1024, 65536)) {
      h2.update(b)
      if (!s.send(b)) await s.onDrain()
      if (++i % 16 === 0) await breath()
    }
    await s.close()
    await r.done
    return { length: n, equal: h.digest('hex') === h2.digest('hex') && n === (c.size ?? 1024), seconds: sec(t0) }
  },
  async perf (a, c) { // {"perf":target,"send":n,"recv":m} over /perf/1.0.0
    const s = await libp2p.dialProtocol(target(a), '/perf/1.0.0', { signal: signalOf(c, 300), maxOutboundStreams: 1000 })
    const up = c.send ?? 0; const down = c.recv ?? 0
    const head = new Uint8Array(8); new DataView(head.buffer).setBigUint64(0, BigInt(down))
    let got = 0; let tFirst
    const r = reader(s)
    r.onData = (d) => { tFirst ??= performance.now(); got += d.byteLength }
    const t0 = performance.now()
    s.send(head)
    await sendN(s, up)
    await s.close()
    await r.done
    const t = sec(t0)
    if (got !== down) throw new Error(`received ${got} of ${down}`)
    return { sent: up, received: got, seconds: t, MiBps: Math.round((up + got) / 1048576 / t * 100) / 100 }
  },
  // {"abort":target}: requests many bytes over /perf/1.0.0 and resets the stream when some have arrived; returns the streams that are left
  async abort (a, c) {
    const s = await libp2p.dialProtocol(target(a), '/perf/1.0.0', { signal: signalOf(c, 30), maxOutboundStreams: 1000 })
    const head = new Uint8Array(8); new DataView(head.buffer).setBigUint64(0, 1n << 34n)
    const came = Promise.withResolvers()
    reader(s).onData = () => came.resolve()
    s.send(head)
    await s.close()
    await came.promise
    s.abort(new Error('enough'))
    return {}
  },
  async streams (a) { return { streams: libp2p.getConnections(target(a)).flatMap(x => x.streams.map(streamInfo)) } },
  async provide (a, c) {
    const t0 = performance.now()
    await libp2p.contentRouting.provide(CID.parse(a), { signal: signalOf(c, 30) })
    return { seconds: sec(t0) }
  },
  async find_providers (a, c) {
    const r = []
    try {
      for await (const p of libp2p.contentRouting.findProviders(CID.parse(a), { signal: signalOf(c, 10) })) {
        r.push({ id: p.id.toString(), addrs: p.multiaddrs.map(String) })
        if (r.length >= (c.max ?? 20)) break
      }
    } catch (e) { if (r.length === 0) throw e }
    return { providers: r }
  },
  async find_peer (a, c) {
    const p = await libp2p.peerRouting.findPeer(peerIdFromString(a), { signal: signalOf(c, 10) })
    return { peer: p.id.toString(), addrs: p.multiaddrs.map(String) }
  },
  async closest_peers (a, c) {
    const r = []
    for await (const p of libp2p.peerRouting.getClosestPeers(Buffer.from(a, 'hex'), { signal: signalOf(c, 10) })) r.push(p.id.toString())
    return { peers: r }
  },
  async dht_put (a, c) {
    await libp2p.contentRouting.put(Buffer.from(a, 'hex'), Buffer.from(c.value, 'hex'), { signal: signalOf(c, 10) })
    return {}
  },
  async dht_get (a, c) { return { value: hex(await libp2p.contentRouting.get(Buffer.from(a, 'hex'), { signal: signalOf(c, 10) })) } },
  async dht_table () {
    const r = {}
    for (const k of ['dhtLan', 'dhtAmino']) {
      const dht = libp2p.services[k]
      if (dht != null) r[k] = { mode: dht.getMode(), size: dht.routingTable.size }
    }
    return r
  },
  async peers () { return { peers: libp2p.getConnections().map(connInfo) } },
  async peer_store () {
    const peers = await libp2p.peerStore.all()
    return { peers: peers.map(p => ({ id: p.id.toString(), addrs: p.addresses.map(x => x.multiaddr.toString()), protocols: p.protocols })) }
  },
  async protocols (a) {
    const p = await libp2p.peerStore.get(peerIdFromString(a))
    const s = (k) => { const v = p.metadata.get(k); return v == null ? null : Buffer.from(v).toString() }
    return {
      protocols: p.protocols,
      agent: s('AgentVersion'),
      protocolVersion: s('ProtocolVersion'),
      addrs: p.addresses.map(x => ({ addr: x.multiaddr.toString(), certified: x.isCertified })),
      signedRecord: p.peerRecordEnvelope != null
    }
  },
  async self () { return self() },
  async mem () {
    const m = process.memoryUsage()
    const u = process.resourceUsage()
    return { rssMiB: m.rss >> 20, maxRssMiB: u.maxRSS >> 10, cpuUserS: u.userCPUTime / 1e6, cpuSysS: u.systemCPUTime / 1e6 }
  }
}

libp2p.addEventListener('connection:open', (e) => {
  const { remotePeer, direction, multiplexer } = e.detail
  out({ event: 'connection:open', peer: remotePeer.toString(), direction, muxer: multiplexer })
})
libp2p.addEventListener('connection:close', (e) => out({ event: 'connection:close', peer: e.detail.remotePeer.toString() }))
libp2p.addEventListener('peer:identify', (e) => out({ event: 'identify', peer: e.detail.peerId.toString(), agent: e.detail.agentVersion }))
if (A.mdns) {
  libp2p.addEventListener('peer:discovery', (e) => {
    out({ event: 'discovery', peer: e.detail.id.toString(), addrs: e.detail.multiaddrs.map(String) })
  })
}

async function stop () {
  try { await Promise.race([node.stop(), new Promise(resolve => setTimeout(resolve, 3000).unref())]) } catch {}
  process.exit(0)
}

out({ event: 'ready', ...self(), muxer: A.muxer, pid: process.pid, node: process.version })

const rl = createInterface({ input: process.stdin })
rl.on('line', (line) => {
  if (line.trim() === '') return
  let c
  try { c = JSON.parse(line) } catch (e) { out({ ok: false, error: 'bad JSON: ' + e.message }); return }
  const k = Object.keys(c).find(k => k === 'stop' || H[k] != null)
  if (k === 'stop') { out({ id: c.id, cmd: 'stop', ok: true }); void stop(); return }
  if (k == null) { out({ id: c.id, ok: false, error: 'unknown command' }); return }
  H[k](c[k], c).then(
    r => out({ ...r, id: c.id, cmd: k, ok: true }),
    e => out({ id: c.id, cmd: k, ok: false, name: e?.name, error: String(e?.message ?? e) }))
})
rl.on('close', () => { void stop() })
