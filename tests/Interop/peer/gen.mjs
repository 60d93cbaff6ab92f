// Deterministic byte stream "xs128-v1", shared by peer.mjs and the C# tests (TestKit).
//
//   h      = SHA-256(UTF-8(seed))                         seed is a string; a JSON number n is taken as its decimal text
//   x,y,z,w = the first four little-endian uint32 of h    (h[0..3], h[4..7], h[8..11], h[12..15])
//   repeat:  t = x ^ (x << 11)            (all arithmetic mod 2^32, >> is logical)
//            x = y;  y = z;  z = w
//            w = w ^ (w >> 19) ^ t ^ (t >> 8)
//            emit w as 4 bytes little-endian
//   the stream is cut to exactly `size` bytes (the last word may be cut).
//
// This is Marsaglia's xor128; it is not cryptographic.
import { createHash } from 'node:crypto'

export class Xs128 {
  constructor (seed) {
    const h = createHash('sha256').update(String(seed), 'utf8').digest()
    this.x = h.readInt32LE(0); this.y = h.readInt32LE(4); this.z = h.readInt32LE(8); this.w = h.readInt32LE(12)
    this.left = null // bytes of a word that was only partly consumed
  }

  // fill a Uint8Array
  fill (out) {
    let off = 0
    if (this.left != null) {
      const n = Math.min(this.left.length, out.length)
      out.set(this.left.subarray(0, n), 0)
      off = n
      this.left = n === this.left.length ? null : this.left.subarray(n)
    }
    let { x, y, z, w } = this
    const words = (out.length - off) >>> 2
    if (((out.byteOffset + off) & 3) === 0) {
      const u = new Int32Array(out.buffer, out.byteOffset + off, words)
      for (let i = 0; i < words; i++) {
        const t = x ^ (x << 11)
        x = y; y = z; z = w
        w = w ^ (w >>> 19) ^ t ^ (t >>> 8)
        u[i] = w
      }
    } else {
      const dv = new DataView(out.buffer, out.byteOffset, out.byteLength)
      for (let i = 0; i < words; i++) {
        const t = x ^ (x << 11)
        x = y; y = z; z = w
        w = w ^ (w >>> 19) ^ t ^ (t >>> 8)
        dv.setInt32(off + (i << 2), w, true)
      }
    }
    off += words << 2
    if (off < out.length) {
      const t = x ^ (x << 11)
      x = y; y = z; z = w
      w = w ^ (w >>> 19) ^ t ^ (t >>> 8)
      const b = new Uint8Array(4)
      new DataView(b.buffer).setInt32(0, w, true)
      const n = out.length - off
      out.set(b.subarray(0, n), off)
      this.left = b.subarray(n)
    }
    this.x = x; this.y = y; this.z = z; this.w = w
    return out
  }
}

export function genBytes (seed, size) {
  return new Xs128(seed).fill(new Uint8Array(size))
}

export function * genStream (seed, size, chunk = 1 << 20) {
  const g = new Xs128(seed)
  let left = size
  while (left > 0) {
    const n = Math.min(chunk, left)
    yield g.fill(new Uint8Array(n))
    left -= n
  }
}

// Ed25519 private key seed (32 bytes) for a key name: SHA-256(UTF-8("key:" + name))
export function keySeed (name) {
  return new Uint8Array(createHash('sha256').update('key:' + String(name), 'utf8').digest())
}
