// ipcs and Helia (js-libp2p) against each other: Bitswap both ways, ping. Prints `ok NAME` / `not ok NAME: why`.
import { execFile, spawn } from 'node:child_process'
import { createHash } from 'node:crypto'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { Peer } from './peer/driver.mjs'
import { genBytes } from './peer/gen.mjs'

const IPCS = process.env.IPCS_BIN
const FILES = [['0 B', 0], ['1 B', 1], ['300 KB', 300_000], ['5 MB', 5_000_000]]
const LEAVES = [['raw leaves', 'kubo-v1', ['--cid-version', '1', '--raw-leaves']], ['dag-pb leaves', 'kubo-v0', ['--cid-version', '0', '--raw-leaves=false']]]
const CHUNKER = ['--chunker', 'size-262144']
const work = mkdtempSync(join(tmpdir(), 'ipcs-interop-'))
const running = new Set()
let failed = 0

const sha256 = (bytes) => createHash('sha256').update(bytes).digest('hex')

function equal (actual, expected, what) {
  if (actual !== expected) throw new Error(`${what} is ${actual}, not ${expected}`)
}

async function within (ms, what, promise) {
  let timer
  const late = new Promise((resolve, reject) => { timer = setTimeout(() => reject(new Error(`${what}: not done within ${ms} ms`)), ms) })
  try { return await Promise.race([promise, late]) } finally { clearTimeout(timer) }
}

async function until (what, condition, ms = 15_000) {
  const end = performance.now() + ms
  while (!await condition()) {
    if (performance.now() > end) throw new Error(`after ${ms} ms there is still no ${what}`)
    await new Promise(resolve => setTimeout(resolve, 50))
  }
}

async function check (name, body) {
  const begin = performance.now()
  try {
    await within(60_000, name, body())
    console.log(`ok ${name} (${Math.round(performance.now() - begin)} ms)`)
    return true
  } catch (e) {
    failed++
    console.log(`not ok ${name}: ${String(e?.message ?? e).replaceAll('\n', ' | ')}`)
    return false
  }
}

/** A daemon on a free port of the loopback interface, and its client commands. */
class Daemon {
  static async start (name, options = []) {
    const d = new Daemon()
    d.folder = join(work, name)
    d.api = join(work, name + '.api')
    d.log = ''
    d.process = spawn(IPCS, ['daemon', '--data', d.folder, '--listen', '/ip4/127.0.0.1/tcp/0', '--mdns', 'off',
      '--content-socket', join(work, name + '.content'), '--api-socket', d.api, ...options], { stdio: ['ignore', 'pipe', 'pipe'] })
    running.add(d)
    d.process.stderr.on('data', (b) => { d.log = (d.log + b).slice(-4000) })
    d.exited = new Promise(resolve => d.process.on('exit', (code, signal) => resolve(signal ?? code)))
    const ready = Promise.withResolvers()
    createInterface({ input: d.process.stdout }).on('line', (line) => {
      const m = /^ready peer=(\S+) listen=(\S+) /.exec(line + ' ')
      if (m != null) ready.resolve(m)
    })
    d.exited.then((how) => ready.reject(new Error(`the daemon ended (${how}): ${d.log}`)))
    const [, id, listen] = await within(30_000, 'the ready line', ready.promise)
    d.id = id
    d.addr = listen.split(',')[0]
    if (!d.addr.includes('/p2p/')) d.addr += '/p2p/' + id
    return d
  }

  run (...args) {
    return new Promise((resolve, reject) => {
      execFile(IPCS, [...args, '--api-socket', this.api], { encoding: 'buffer', maxBuffer: 64 << 20, timeout: 50_000 }, (error, stdout, stderr) => {
        if (error != null) reject(new Error(`ipcs ${args.join(' ')}: ${error.killed ? 'timed out' : 'status ' + error.code}: ${stderr}`))
        else resolve(stdout)
      })
    })
  }

  async text (...args) { return (await this.run(...args)).toString().trim() }

  async add (bytes, options, chunker = CHUNKER) {
    const file = join(work, 'file')
    writeFileSync(file, bytes)
    return await this.text('add', file, '-Q', ...chunker, ...options)
  }

  async stop () {
    this.process.kill('SIGTERM')
    const hard = setTimeout(() => this.process.kill('SIGKILL'), 10_000)
    const how = await this.exited
    clearTimeout(hard)
    running.delete(this)
    equal(how, 0, 'the exit status of the daemon')
  }
}

async function helia (args) {
  const peer = await within(60_000, 'the Helia peer', Peer.start(args))
  running.add(peer)
  return peer
}

async function stopHelia (peer) {
  await peer.stop()
  running.delete(peer)
}

const knows = (peer, id) => peer.raw({ protocols: id }).then(r => r.ok && r.protocols.includes('/ipfs/bitswap/1.2.0'))

async function exchange (muxer) {
  const daemon = await Daemon.start(muxer, ['--muxers', muxer])
  const peer = await helia(['--muxer', muxer, '--key', 'helia-' + muxer])
  const name = (text) => `${muxer}: ${text}`

  const met = await check(name('Helia dials ipcs and identifies it'), async () => {
    const c = await peer.cmd({ connect: daemon.addr })
    equal(c.muxer, '/' + (muxer === 'mplex' ? 'mplex/6.7.0' : 'yamux/1.0.0'), 'the muxer')
    await until('Bitswap in what identify told', () => knows(peer, daemon.id))
  })
  if (!met) return
  await check(name('Helia pings ipcs'), async () => equal((await peer.cmd({ ping: daemon.id, count: 5 })).count, 5, 'the number of pings'))
  await check(name('ipcs pings Helia'), () => daemon.run('ping', peer.id, '-n', '3'))

  for (const [leaves, profile, options] of LEAVES) {
    for (const [size, bytes] of FILES) {
      await check(name(`Helia fetches ${size} from ipcs, ${leaves}`), async () => {
        const data = genBytes(`${muxer} ${leaves} out`, bytes)
        const cid = await daemon.add(data, options)
        const got = await peer.cmd({ cat: cid, timeout: 30 })
        equal(got.length, bytes, 'the length')
        equal(got.sha256, sha256(data), 'the hash')
        const own = await peer.cmd({ add: { size: bytes, seed: `${muxer} ${leaves} out`, profile } })
        equal(cid, own.cid, 'the CID')
      })
    }
  }

  await check(name('Helia fetches from ipcs what lies there packed'), async () => {
    const data = Buffer.alloc(3_000_000, 'the same words again and ' + muxer + ' again. ')
    const cid = await daemon.add(data, ['--cid-version', '0', '--raw-leaves=false'], ['--chunker', 'tar'])
    const got = await peer.cmd({ cat: cid, timeout: 30 })
    equal(got.length, data.length, 'the length')
    equal(got.sha256, sha256(data), 'the hash')
  })

  await check(name('ipcs dials Helia'), async () => {
    await peer.cmd({ disconnect: daemon.id })
    await until('end of the connection', async () => !(await daemon.text('swarm', 'peers')).includes(peer.id))
    await daemon.run('swarm', 'connect', peer.addr)
    await until('Helia among the peers', async () => (await daemon.text('swarm', 'peers')).includes(peer.id))
  })
  for (const [leaves, profile] of LEAVES) {
    for (const [size, bytes] of FILES) {
      await check(name(`ipcs fetches ${size} from Helia, ${leaves}`), async () => {
        const seed = `${muxer} ${leaves} in`
        const { cid } = await peer.cmd({ add: { size: bytes, seed, profile } })
        const got = await daemon.run('cat', cid)
        equal(got.length, bytes, 'the length')
        equal(sha256(got), sha256(genBytes(seed, bytes)), 'the hash')
      })
    }
  }
  await check(name('ipcs reads a range of a file of Helia'), async () => {
    const seed = muxer + ' range'
    const { cid } = await peer.cmd({ add: { size: 2_000_000, seed, profile: 'kubo-v1' } })
    const got = await daemon.run('cat', cid, '--offset', '262000', '--length', '1000')
    equal(sha256(got), sha256(genBytes(seed, 2_000_000).subarray(262_000, 263_000)), 'the hash')
  })
  await check(name('both end in order'), async () => { await stopHelia(peer); await daemon.stop() })
}

// js-libp2p as it comes: more than 5 new streams or connections a second cost the connection.
async function withJsLimits () {
  const daemon = await Daemon.start('limits', ['--muxers', 'mplex'])
  const peer = await helia(['--muxer', 'mplex', '--mplex-defaults', '--cm-defaults', '--key', 'helia-limits'])
  await check("mplex with js's own limits: ipcs fetches ten files of 1 MB from Helia over one connection", async () => {
    await daemon.run('swarm', 'connect', peer.addr)
    for (let i = 0; i < 10; i++) {
      const { cid } = await peer.cmd({ add: { size: 1_000_000, seed: 'limits ' + i, profile: 'kubo-v1' } })
      equal(sha256(await daemon.run('cat', cid)), sha256(genBytes('limits ' + i, 1_000_000)), 'the hash')
    }
    const closed = peer.events.filter(e => e.event === 'connection:close' && e.peer === daemon.id).length
    equal(closed, 0, 'the number of connections lost')
  })
  await stopHelia(peer)
  await daemon.stop()
}

async function cleanUp () {
  for (const one of running) (one.proc ?? one.process).kill('SIGKILL')
  rmSync(work, { recursive: true, force: true })
}
for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, () => { cleanUp().finally(() => process.exit(130)) })

try {
  for (const [name, part] of [['mplex', () => exchange('mplex')], ['yamux', () => exchange('yamux')], ["js's own limits", withJsLimits]]) {
    try { await part() } catch (e) {
      failed++
      console.log(`not ok ${name}: ${String(e?.message ?? e).replaceAll('\n', ' | ')}`)
    }
  }
} finally {
  await cleanUp()
}
process.exit(failed === 0 ? 0 : 1)
