// harness.mjs   shared by the suites: results as `ok NAME` / `not ok NAME: reason`, waits, and processes that end with the suite
import { execFile, spawn } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { Peer } from './peer/driver.mjs'

export const IPCS = process.env.IPCS_BIN
/** The temporary folder of the suite. */
export const work = mkdtempSync(join(tmpdir(), 'ipcs-interop-'))
const running = new Set()
let failed = 0

/** Registers a process that ends with the suite at the latest. */
export function watch (proc) {
  running.add(proc)
  proc.on('exit', () => running.delete(proc))
  return proc
}

function fail (name, e) {
  failed++
  console.log(`not ok ${name}: ${String(e?.message ?? e).replaceAll('\n', ' | ')}`)
}

export function equal (actual, expected, what) {
  if (actual !== expected) throw new Error(`${what} is ${actual}, not ${expected}`)
}

async function within (ms, what, promise) {
  let timer
  const late = new Promise((resolve, reject) => { timer = setTimeout(() => reject(new Error(`${what}: not done within ${ms} ms`)), ms) })
  try { return await Promise.race([promise, late]) } finally { clearTimeout(timer) }
}

/** Waits for a condition. A condition that throws is false. */
export async function until (what, condition, ms = 60_000) {
  const end = performance.now() + ms
  let last = ''
  while (true) {
    try { if (await condition()) return } catch (e) { last = `: ${e.message}` }
    if (performance.now() > end) throw new Error(`timed out after ${ms} ms waiting for: ${what}${last}`)
    await new Promise(resolve => setTimeout(resolve, 50))
  }
}

/** Reports one result, with the text that the body returns. True when the body succeeded. */
export async function check (name, body, ms = 180_000) {
  const begin = performance.now()
  try {
    const note = await within(ms, name, body())
    console.log(`ok ${name} (${Math.round(performance.now() - begin)} ms${typeof note === 'string' ? ', ' + note : ''})`)
    return true
  } catch (e) {
    fail(name, e)
    return false
  }
}

/** Runs a program. Returns its standard output as bytes. */
export function run (program, args, ms = 110_000) {
  return new Promise((resolve, reject) => {
    execFile(program, args, { encoding: 'buffer', maxBuffer: 64 << 20, timeout: ms }, (error, stdout, stderr) => {
      if (error != null) reject(new Error(`${args.join(' ')}: ${error.killed ? 'timed out' : 'status ' + error.code}: ${stderr}`))
      else resolve(stdout)
    })
  })
}

/** A daemon, by default on a free loopback port, and its client commands. */
export class Daemon {
  static async start (name, { listen = '/ip4/127.0.0.1/tcp/0', mdns = 'off', options = [], prefix = [], data = name } = {}) {
    const d = new Daemon()
    d.api = join(work, name + '.api')
    d.log = ''
    const command = [...prefix, IPCS, 'daemon', '--data', join(work, data), '--listen', listen, '--mdns', mdns,
      '--content-socket', join(work, name + '.content'), '--api-socket', d.api, ...options]
    d.process = watch(spawn(command[0], command.slice(1), { stdio: ['ignore', 'pipe', 'pipe'] }))
    d.process.stderr.on('data', (b) => { d.log = (d.log + b).slice(-4000) })
    d.exited = new Promise(resolve => d.process.on('exit', (code, signal) => resolve(signal ?? code)))
    const ready = Promise.withResolvers()
    createInterface({ input: d.process.stdout }).on('line', (line) => {
      const m = /^ready peer=(\S+) listen=([^\s,]+)/.exec(line)
      if (m != null) ready.resolve(m)
    })
    d.exited.then((how) => ready.reject(new Error(`the daemon ended (${how}): ${d.log}`)))
    const [, id, address] = await within(120_000, 'the ready line', ready.promise)
    d.id = id
    d.addr = address.includes('/p2p/') ? address : address + '/p2p/' + id
    return d
  }

  run (...args) { return run(IPCS, [...args, '--api-socket', this.api]) }
  async text (...args) { return (await this.run(...args)).toString().trim() }
  async json (...args) { return JSON.parse(await this.text(...args, '--json')) }
  async peers () { return (await this.json('swarm', 'peers')).Peers ?? [] }
  async knows (id) { return (await this.peers()).some(p => p.Peer === id) }

  async stop () {
    this.process.kill('SIGTERM')
    const hard = setTimeout(() => this.process.kill('SIGKILL'), 10_000)
    const how = await this.exited
    clearTimeout(hard)
    equal(how, 0, `the exit status of the daemon (${this.log})`)
  }
}

/** A foreign peer (peer/peer.mjs). */
export async function foreign (args, options) {
  const peer = await within(120_000, 'the js peer', Peer.start(args, options))
  watch(peer.proc)
  return peer
}

export async function end (...all) { for (const one of all) await one.stop() }

function cleanUp () {
  for (const proc of running) proc.kill('SIGKILL')
  rmSync(work, { recursive: true, force: true })
}

/** Runs the parts of a suite, {name: function}, or those named on the command line, and ends the process. */
export async function suite (parts) {
  for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, () => { cleanUp(); process.exit(130) })
  try {
    for (const [name, part] of Object.entries(parts)) {
      if (process.argv.length > 2 && !process.argv.includes(name)) continue
      try { await part() } catch (e) { fail(name, e) }
    }
  } finally { cleanUp() }
  process.exit(failed === 0 ? 0 : 1)
}
