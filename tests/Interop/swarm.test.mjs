// ipcs and js-libp2p against each other below Bitswap: identify, ping, echo, perf, streams. Prints `ok NAME` / `not ok NAME: why`.
import { spawn, execFile } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { Peer } from './peer/driver.mjs'

const IPCS = process.env.IPCS_BIN
const MIB = 1 << 20
const work = mkdtempSync(join(tmpdir(), 'ipcs-swarm-'))
const running = new Set()
let failed = 0

function equal (actual, expected, what) {
  if (actual !== expected) throw new Error(`${what} is ${actual}, not ${expected}`)
}

async function check (name, body, ms = 120_000) {
  const begin = performance.now()
  let timer
  const late = new Promise((resolve, reject) => { timer = setTimeout(() => reject(new Error(`not done within ${ms} ms`)), ms) })
  try {
    const note = await Promise.race([body(), late])
    console.log(`ok ${name} (${Math.round(performance.now() - begin)} ms${typeof note === 'string' ? ', ' + note : ''})`)
  } catch (e) {
    failed++
    console.log(`not ok ${name}: ${String(e?.message ?? e).replaceAll('\n', ' | ')}`)
  } finally { clearTimeout(timer) }
}

async function until (what, condition, ms = 15_000) {
  const end = performance.now() + ms
  while (!await condition()) {
    if (performance.now() > end) throw new Error(`after ${ms} ms there is still no ${what}`)
    await new Promise(resolve => setTimeout(resolve, 50))
  }
}

/** A daemon on a free port of the loopback interface, and its client commands. */
class Daemon {
  static async start (name, options = []) {
    const d = new Daemon()
    d.api = join(work, name + '.api')
    d.log = ''
    d.process = spawn(IPCS, ['daemon', '--data', join(work, name), '--listen', '/ip4/127.0.0.1/tcp/0', '--mdns', 'off',
      '--content-socket', join(work, name + '.content'), '--api-socket', d.api, ...options], { stdio: ['ignore', 'pipe', 'pipe'] })
    running.add(d.process)
    d.process.stderr.on('data', (b) => { d.log = (d.log + b).slice(-4000) })
    const ready = Promise.withResolvers()
    createInterface({ input: d.process.stdout }).on('line', (line) => {
      const m = /^ready peer=(\S+) listen=([^\s,]+)/.exec(line)
      if (m != null) ready.resolve(m)
    })
    d.exited = new Promise(resolve => d.process.on('exit', (code, signal) => { running.delete(d.process); resolve(signal ?? code) }))
    d.exited.then((how) => ready.reject(new Error(`the daemon ended (${how}): ${d.log}`)))
    const [, id, listen] = await ready.promise
    d.id = id
    d.addr = listen + '/p2p/' + id
    return d
  }

  run (...args) {
    return new Promise((resolve, reject) => {
      execFile(IPCS, [...args, '--api-socket', this.api], { timeout: 110_000 }, (error, stdout, stderr) => {
        if (error != null) reject(new Error(`ipcs ${args.join(' ')}: ${error.killed ? 'timed out' : 'status ' + error.code}: ${stderr}`))
        else resolve(stdout.trim())
      })
    })
  }

  async json (...args) { return JSON.parse(await this.run(...args, '--json')) }
  async peers () { return (await this.json('swarm', 'peers')).Peers ?? [] }

  async stop () {
    this.process.kill('SIGTERM')
    const hard = setTimeout(() => this.process.kill('SIGKILL'), 10_000)
    equal(await this.exited, 0, 'the exit status of the daemon')
    clearTimeout(hard)
  }
}

async function js (...args) {
  const peer = await Peer.start(['--no-bitswap', ...args])
  running.add(peer.proc)
  peer.proc.on('exit', () => running.delete(peer.proc))
  return peer
}

const ratio = (r) => `${Math.round((r.sent + r.received) / MIB / r.seconds)} MiB/s`

/** Everything that goes over one connection, whoever dialled it. */
async function overOneConnection (name, daemon, peer) {
  await check(name('each identifies the other'), async () => {
    await until('ipcs in the js peer store', () => peer.raw({ protocols: daemon.id }).then(r => r.ok && r.protocols.includes('/perf/1.0.0') && r.agent.startsWith('ipcs')))
    const known = await peer.cmd({ protocols: daemon.id })
    equal(known.signedRecord, true, 'that js took the signed record')
    await until('js among the peers with its protocols', async () => (await daemon.peers()).some(p => p.Peer === peer.id && p.Identify.Protocols.includes('/perf/1.0.0')))
    const info = (await daemon.peers()).find(p => p.Peer === peer.id)
    equal(info.Identify.Addresses.includes(peer.addr.replace(/\/p2p\/.*/, '')), true, 'that its address is known')
  })
  await check(name('js pings ipcs, on new streams and on one'), async () => {
    equal((await peer.cmd({ ping: daemon.id, count: 4 })).count, 4, 'the number of pings')
    equal((await peer.cmd({ ping: daemon.id, count: 20, stream: true })).count, 20, 'the number of pings')
  })
  await check(name('ipcs pings js'), () => daemon.run('ping', peer.id, '-n', '3'))
  await check(name('js sends 100 MiB and has 100 MiB sent back'), async () => ratio(await peer.cmd({ perf: daemon.id, send: 100 * MIB, recv: 100 * MIB, timeout: 100 })))
  await check(name('ipcs sends 100 MiB and has 100 MiB sent back'), async () => {
    const r = await daemon.json('perf', peer.id, '--upload', String(100 * MIB), '--download', String(100 * MIB))
    return `${Math.round(100 / r.UploadSeconds)} and ${Math.round(100 / r.DownloadSeconds)} MiB/s`
  })
  await check(name('64 streams at once from js'), () => Promise.all(Array.from({ length: 64 }, (_, i) => peer.cmd({ perf: daemon.id, send: 10_000 * i, recv: 5000 * i + 1 }))))
  await check(name('64 streams at once from ipcs'), () => Promise.all(Array.from({ length: 16 }, (_, i) =>
    daemon.run('perf', peer.id, '--upload', String(10_000 * i), '--download', String(5000 * i + 1)))))
  await check(name('a stream that js resets ends, the connection goes on'), async () => {
    await peer.cmd({ abort: daemon.id })
    await until('end of the streams', async () => !(await peer.cmd({ streams: daemon.id })).streams.some(s => s.includes('perf')))
    await peer.cmd({ ping: daemon.id })
  })
  await check(name('a stream that ipcs gives up ends at js, the connection goes on'), async () => {
    const client = spawn(IPCS, ['perf', peer.id, '--download', String(2 ** 34), '--upload', '0', '--api-socket', daemon.api], { stdio: 'ignore' })
    await until('perf stream at js', async () => (await peer.cmd({ streams: daemon.id })).streams.some(s => s.includes('perf')))
    client.kill('SIGKILL')
    await until('end of the streams', async () => !(await peer.cmd({ streams: daemon.id })).streams.some(s => s.includes('perf')), 20_000)
    await daemon.run('ping', peer.id, '-n', '1')
  })
  await check(name('the connection has held'), async () => {
    equal((await daemon.peers()).filter(p => p.Peer === peer.id).length, 1, 'the number of connections')
    await peer.cmd({ ping: daemon.id })
  })
}

/** Our library alone, with /echo/1.0.0 on it (Echo/Program.cs). */
async function ours (muxer) {
  const proc = spawn(join(import.meta.dirname, 'Echo/bin/Release/net10.0/Ipcs.Echo'), [muxer], { stdio: ['pipe', 'pipe', 'inherit'] })
  running.add(proc)
  proc.on('exit', () => running.delete(proc))
  const lines = createInterface({ input: proc.stdout })[Symbol.asyncIterator]()
  const line = async () => {
    const { value, done } = await lines.next()
    if (done) throw new Error('the echo program has ended')
    return value
  }
  const [, id, addr] = (await line()).split(' ')
  return {
    id,
    addr,
    async echo (address, bytes) {
      proc.stdin.write(`echo ${address} ${bytes}\n`)
      equal(await line(), 'equal', `the echo of ${bytes} bytes`)
    },
    async stop () {
      proc.stdin.end()
      await new Promise(resolve => proc.on('exit', resolve))
    }
  }
}

/** Bytes there and back, their sha256 compared by whoever sent them. */
async function echoes (muxer) {
  for (const dialler of ['js', 'ipcs']) {
    const [own, peer] = await Promise.all([ours(muxer), js('--muxer', muxer)])
    const name = (text) => `${muxer}, ${dialler} dials: ${text}`
    const fromJs = async (size) => equal((await peer.cmd({ echo: own.id, size, seed: muxer + size, timeout: 100 })).equal, true, `that ${size} bytes come back to js`)
    if (dialler === 'js') await peer.cmd({ connect: own.addr })
    else await own.echo(peer.addr, 1)
    await check(name('js has echoes of ipcs'), async () => { for (const size of [0, 1, 65_537, MIB]) await fromJs(size) })
    await check(name('ipcs has echoes of js'), async () => { for (const size of [0, 1, 65_537, MIB]) await own.echo(peer.addr, size) })
    await check(name('js sends 100 MiB and has them back, sha256 equal'), () => fromJs(100 * MIB))
    await check(name('ipcs sends 100 MiB and has them back, sha256 equal'), () => own.echo(peer.addr, 100 * MIB))
    await Promise.all([own.stop(), peer.stop()])
  }
}

async function pair (muxer) {
  const name = (text) => `${muxer}: ${text}`
  const daemon = await Daemon.start(muxer, ['--muxers', muxer])
  const peer = await js('--muxer', muxer, '--key', 'swarm-' + muxer)
  await check(name('js dials ipcs'), async () => equal((await peer.cmd({ connect: daemon.addr })).muxer, muxer === 'mplex' ? '/mplex/6.7.0' : '/yamux/1.0.0', 'the muxer'))
  await overOneConnection((text) => name('js dialled: ' + text), daemon, peer)
  await check(name('js hangs up, ipcs sees it and dials'), async () => {
    await peer.cmd({ disconnect: daemon.id })
    await until('end of the connection', async () => !(await daemon.peers()).some(p => p.Peer === peer.id))
    await daemon.run('swarm', 'connect', peer.addr)
  })
  await overOneConnection((text) => name('ipcs dialled: ' + text), daemon, peer)
  await check(name('ipcs hangs up and js sees it'), async () => {
    await daemon.run('swarm', 'disconnect', peer.id)
    await until('end of the connection', async () => !(await peer.cmd({ peers: true })).peers.some(p => p.peer === daemon.id && p.status === 'open'))
  })
  await peer.stop()
  await check(name('20 peers at once'), async () => {
    const peers = []
    for (let i = 0; i < 20; i += 5) peers.push(...await Promise.all(Array.from({ length: 5 }, (_, k) => js('--muxer', muxer, '--key', `swarm-${muxer}-${i + k}`))))
    await Promise.all(peers.map((p, i) => i % 2 === 0 ? p.cmd({ connect: daemon.addr }) : daemon.run('swarm', 'connect', p.addr)))
    await Promise.all(peers.map(p => p.cmd({ perf: daemon.id, send: 2 * MIB, recv: 2 * MIB, timeout: 60 })))
    await until('20 peers', async () => (await daemon.peers()).length === 20)
    await Promise.all(peers.map(p => p.stop()))
    await until('end of all connections', async () => (await daemon.peers()).length === 0)
  }, 180_000)
  await check(name('the daemon ends in order'), () => daemon.stop())
}

function cleanUp () {
  for (const one of running) one.kill('SIGKILL')
  rmSync(work, { recursive: true, force: true })
}
for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, () => { cleanUp(); process.exit(130) })

try {
  for (const muxer of ['mplex', 'yamux']) {
    try {
      await echoes(muxer)
      await pair(muxer)
    } catch (e) {
      failed++
      console.log(`not ok ${muxer}: ${String(e?.message ?? e).replaceAll('\n', ' | ')}`)
    }
  }
} finally { cleanUp() }
process.exit(failed === 0 ? 0 : 1)
