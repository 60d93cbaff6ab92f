// The LAN DHT of ipcs and js-libp2p against each other, and mDNS in a network namespace of its own. Prints `ok NAME` / `not ok NAME: why`.
import { execFile, spawn } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { Peer } from './peer/driver.mjs'

const IPCS = process.env.IPCS_BIN
const PEER = fileURLToPath(new URL('./peer/peer.mjs', import.meta.url))
const work = mkdtempSync(join(tmpdir(), 'ipcs-dht-'))
const running = new Set()
let failed = 0
let files = 0

function fail (name, e) {
  failed++
  console.log(`not ok ${name}: ${String(e?.message ?? e).replaceAll('\n', ' | ')}`)
}

async function within (ms, what, promise) {
  let timer
  const late = new Promise((resolve, reject) => { timer = setTimeout(() => reject(new Error(`${what}: not done within ${ms} ms`)), ms) })
  try { return await Promise.race([promise, late]) } finally { clearTimeout(timer) }
}

async function until (what, condition, ms = 60_000) {
  const end = performance.now() + ms
  let last = ''
  while (true) {
    try { if (await condition()) return } catch (e) { last = `: ${e.message}` }
    if (performance.now() > end) throw new Error(`after ${ms} ms there is still no ${what}${last}`)
    await new Promise(resolve => setTimeout(resolve, 100))
  }
}

async function check (name, body) {
  const begin = performance.now()
  try {
    await within(180_000, name, body())
    console.log(`ok ${name} (${Math.round(performance.now() - begin)} ms)`)
  } catch (e) { fail(name, e) }
}

function run (program, args, ms = 90_000) {
  return new Promise((resolve, reject) => {
    execFile(program, args, { timeout: ms }, (error, stdout, stderr) => {
      if (error != null) reject(new Error(`${args.join(' ')}: ${error.killed ? 'timed out' : 'status ' + error.code}: ${stderr}`))
      else resolve(stdout.trim())
    })
  })
}

/** A daemon, alone or in a network namespace. */
class Daemon {
  static async start (name, { listen = '/ip4/127.0.0.1/tcp/0', options = ['--mdns', 'off'], prefix = [], data = name } = {}) {
    const d = new Daemon()
    d.api = join(work, name + '.api')
    d.log = ''
    const command = [...prefix, IPCS, 'daemon', '--data', join(work, data), '--listen', listen,
      '--content-socket', join(work, name + '.content'), '--api-socket', d.api, ...options]
    d.process = spawn(command[0], command.slice(1), { stdio: ['ignore', 'pipe', 'pipe'] })
    running.add(d)
    d.process.stderr.on('data', (b) => { d.log = (d.log + b).slice(-4000) })
    d.exited = new Promise(resolve => d.process.on('exit', (code, signal) => resolve(signal ?? code)))
    const ready = Promise.withResolvers()
    createInterface({ input: d.process.stdout }).on('line', (line) => {
      const m = /^ready peer=(\S+) listen=(\S+) /.exec(line + ' ')
      if (m != null) ready.resolve(m)
    })
    d.exited.then((how) => ready.reject(new Error(`the daemon ended (${how}): ${d.log}`)))
    const [, id, addresses] = await within(120_000, 'the ready line', ready.promise)
    d.id = id
    d.addr = addresses.split(',')[0]
    if (!d.addr.includes('/p2p/')) d.addr += '/p2p/' + id
    return d
  }

  command (...args) { return run(IPCS, [...args, '--api-socket', this.api]) }

  async add (text) {
    const file = join(work, `file-${files++}`)
    writeFileSync(file, text)
    return await this.command('add', file, '-Q', '--cid-version', '1', '--raw-leaves')
  }

  async providers (cid) { return (await this.command('routing', 'findprovs', cid)).split('\n').filter(l => l !== '') }

  async peers () { return await this.command('swarm', 'peers') }

  async stop () {
    this.process.kill('SIGTERM')
    const hard = setTimeout(() => this.process.kill('SIGKILL'), 10_000)
    const how = await this.exited
    clearTimeout(hard)
    running.delete(this)
    if (how !== 0) throw new Error(`the daemon's exit status is ${how}: ${this.log}`)
  }
}

async function js (args, cmd) {
  const peer = await within(120_000, 'the js peer', Peer.start(args, { cmd }))
  running.add(peer)
  return peer
}

async function end (...all) {
  for (const one of all) {
    await one.stop()
    running.delete(one)
  }
}

const inTable = (peer) => until('entry in the routing table of js', async () => (await peer.cmd({ dht_table: true })).dhtLan.size > 0)

async function twoNodes () {
  const daemon = await Daemon.start('two')
  const peer = await js(['--dht', 'lan', '--key', 'dht-two'])
  await peer.cmd({ connect: daemon.addr })
  await inTable(peer)
  await check('js provides, ipcs finds it', async () => {
    const { cid } = await peer.cmd({ put_block: true, seed: 'js provides', size: 1000 })
    await peer.cmd({ provide: cid })
    await until('provider', async () => (await daemon.providers(cid)).includes(peer.id))
  })
  await check('ipcs provides, js finds it', async () => {
    const cid = await daemon.add('ipcs provides')
    await daemon.command('routing', 'provide', cid)
    const { providers } = await peer.cmd({ find_providers: cid, max: 1 })
    if (providers[0]?.id !== daemon.id) throw new Error(`js found ${JSON.stringify(providers)}`)
    if (!providers[0].addrs.some(a => daemon.addr.startsWith(a))) throw new Error(`js was told ${providers[0].addrs}`)
  })
  await check('what is pinned is announced by itself', async () => {
    const cid = await daemon.add('announced by itself')
    await until('provider', async () => (await peer.cmd({ find_providers: cid, max: 1 })).providers[0]?.id === daemon.id, 60_000)
  })
  await check('js stores a public key at ipcs and reads it again', async () => {
    const id = '002408011220' + '07'.repeat(32)
    await peer.cmd({ dht_put: Buffer.concat([Buffer.from('/pk/'), Buffer.from(id, 'hex')]).toString('hex'), value: id.slice(4) })
  })
  await end(peer, daemon)
}

async function threeNodes (name, kind) {
  const middle = kind === 'js' ? await js(['--dht', 'lan', '--key', 'dht-middle']) : await Daemon.start('middle')
  const daemon = await Daemon.start('three-' + kind)
  const peer = await js(['--dht', 'lan', '--key', 'dht-three-' + kind])
  await daemon.command('swarm', 'connect', middle.addr)
  await peer.cmd({ connect: middle.addr })
  await inTable(peer)
  await check(`${name}: js provides, ipcs finds it`, async () => {
    const { cid } = await peer.cmd({ put_block: true, seed: 'three ' + kind, size: 1000 })
    await peer.cmd({ provide: cid })
    await until('provider', async () => (await daemon.providers(cid)).includes(peer.id))
  })
  await check(`${name}: ipcs provides, js finds it and fetches it`, async () => {
    const cid = await daemon.add('three ' + kind)
    await daemon.command('routing', 'provide', cid)
    await until('provider', async () => (await peer.cmd({ find_providers: cid, max: 1 })).providers[0]?.id === daemon.id)
    const got = await peer.cmd({ block_get: cid, timeout: 30 })
    if (got.length !== ('three ' + kind).length) throw new Error(`the block has ${got.length} bytes`)
  })
  await check(`${name}: each finds the other's addresses`, async () => {
    await until('address of js', async () => (await daemon.command('routing', 'findpeer', peer.id)).includes('/tcp/'))
    await until('address of ipcs', async () => (await peer.cmd({ find_peer: daemon.id })).addrs.length > 0)
  })
  await end(peer, daemon, middle)
}

async function restart () {
  await check('a daemon that is started again finds the peers it knew', async () => {
    const peer = await js(['--dht', 'lan', '--key', 'dht-restart'])
    let daemon = await Daemon.start('restart')
    await daemon.command('swarm', 'connect', peer.addr)
    await until('js among the peers', async () => (await daemon.peers()).includes(peer.id))
    await daemon.stop()
    daemon = await Daemon.start('restart')
    await until('js among the peers after the restart', async () => (await daemon.peers()).includes(peer.id))
    await end(daemon, peer)
  })
}

async function name () {
  await check('a peer given by a DNS name is dialled, and again after its restart', async () => {
    const first = await Daemon.start('named')
    const port = /tcp\/(\d+)/.exec(first.addr)[1]
    const second = await Daemon.start('naming', { options: ['--mdns', 'off', '--dht', 'off', '--peer', `/dns4/localhost/tcp/${port}`] })
    await until('connection', async () => (await second.peers()).includes(first.id))
    await first.stop()
    await until('end of the connection', async () => !(await second.peers()).includes(first.id))
    const again = await Daemon.start('named-again', { listen: `/ip4/127.0.0.1/tcp/${port}`, data: 'named' })
    await until('connection after the restart', async () => (await second.peers()).includes(again.id), 60_000)
    await end(second, again)
  })
}

/** Two namespaces on one wire: multicast needs an interface that is not loopback, and must not reach the machine's own network. */
async function mdns () {
  if (process.getuid() !== 0) return console.log('skip mDNS: network namespaces need root')
  const a = `ipcsmdns${process.pid}a`; const b = `ipcsmdns${process.pid}b`
  const enter = (ns) => ['nsenter', `--net=/run/netns/${ns}`]
  try {
    for (const ns of [a, b]) await run('ip', ['netns', 'add', ns])
    await run('ip', ['link', 'add', 'eth0', 'netns', a, 'type', 'veth', 'peer', 'name', 'eth0', 'netns', b])
    for (const [ns, n] of [[a, 1], [b, 2]]) {
      await run('ip', ['-n', ns, 'addr', 'add', `10.78.0.${n}/24`, 'dev', 'eth0'])
      await run('ip', ['-n', ns, 'link', 'set', 'eth0', 'up'])
      await run('ip', ['-n', ns, 'link', 'set', 'lo', 'up'])
      // js sends to the group by the routing table, ipcs on each interface.
      await run('ip', ['-n', ns, 'route', 'add', '224.0.0.0/4', 'dev', 'eth0'])
    }
    const on = { listen: '/ip4/0.0.0.0/tcp/0', options: ['--mdns', 'on'] }
    const first = await Daemon.start('mdns-a', { ...on, prefix: enter(a) })
    const second = await Daemon.start('mdns-b', { ...on, prefix: enter(b) })
    await check('mDNS: two daemons on one wire find each other', () => until('connection', async () => (await first.peers()).includes(second.id)))
    await second.stop()
    const peer = await js([], [...enter(b), process.execPath, PEER, '--mdns', '--host', '10.78.0.2', '--key', 'mdns'])
    await check('mDNS: js and ipcs find each other', async () => {
      await until('discovery by js', () => peer.events.some(e => e.event === 'discovery' && e.peer === first.id))
      await until('connection', async () => (await first.peers()).includes(peer.id))
    })
    await end(peer, first)
  } finally {
    for (const ns of [a, b]) await run('ip', ['netns', 'del', ns]).catch(() => {})
  }
}

async function cleanUp () {
  for (const one of running) (one.proc ?? one.process).kill('SIGKILL')
  rmSync(work, { recursive: true, force: true })
}
for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, () => { cleanUp().finally(() => process.exit(130)) })

const parts = {
  'two nodes': twoNodes,
  'through ipcs': () => threeNodes('through ipcs', 'ipcs'),
  'through js': () => threeNodes('through js', 'js'),
  restart,
  name,
  mDNS: mdns
}
try {
  for (const [name, part] of Object.entries(parts)) {
    if (process.argv.length > 2 && !process.argv.includes(name)) continue
    try { await part() } catch (e) { fail(name, e) }
  }
} finally {
  await cleanUp()
}
process.exit(failed === 0 ? 0 : 1)
