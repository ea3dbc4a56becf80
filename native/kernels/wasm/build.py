#!/usr/bin/env python3
"""Builds the kernels for WebAssembly: python3 -m venv V && V/bin/pip install ziglang==0.15.2 && V/bin/python native/kernels/wasm/build.py

Writes src/kernels/wasm/binary/{simd,relaxed}.ts, which hold the module, compressed, and the checksum of the sources that it
was built from. Both are committed, so that only who changes the kernels needs the compiler."""
import base64
import gzip
import hashlib
import subprocess
import sys
import tempfile
from pathlib import Path

KERNELS = Path(__file__).resolve().parent.parent
OUT = KERNELS.parent.parent / 'src/kernels/wasm/binary'
ZIG = [sys.executable, '-m', 'ziglang', 'c++']
MOST_COMPRESSED = 200_000

# Layers, planner and threads are compiled like the addon's: contraction only in the kernels.
KERNEL_SOURCES = {'winograd/portable.cpp'}
OTHER_SOURCES = """adaptive_pooling convolution dropout isa layout lrn matrix_product memory_block parameters planner pooling
euclidean_loss program relu sgd softmax_loss threads winograd_convolution winograd/dispatch winograd/team winograd/transformed_weights
winograd/tuner loops/dispatch loops/portable wasm/api wasm/heap""".split()
SOURCES = sorted(KERNEL_SOURCES | {f'{name}.cpp' for name in OTHER_SOURCES})

TARGET = ['-target', 'wasm32-wasi',
          '-mcpu=generic+simd128+bulk_memory+nontrapping_fptoint+sign_ext+mutable_globals+atomics']
COMPILE = ['-std=gnu++17', '-O3', '-fno-exceptions', '-fno-rtti', '-fno-math-errno', '-fno-trapping-math', '-fvisibility=hidden',
           '-g0', '-Wall', '-Wextra']
LINK = ['-mexec-model=reactor', '-s', '-Wl,--no-entry', '-Wl,--import-memory', '-Wl,--shared-memory',
        '-Wl,--initial-memory=33554432', '-Wl,--max-memory=4294901760', '-Wl,--export=__stack_pointer',
        '-Wl,-z,stack-size=1048576']
RELAXED = ['-Xclang', '-target-feature', '-Xclang', '+relaxed-simd']


def checksum():
    """Of every source and header, and of this script; test/unit/kernels/wasm-binary.test.ts computes it again."""
    found = [*KERNELS.glob('*.[ch]pp'), *KERNELS.glob('*/*.[ch]pp'), Path(__file__)]
    left_out = ('binding', 'gpu_layer', 'worker', 'selftest', 'avx')
    kept = [p for p in found if not p.name.startswith(left_out)]
    total = hashlib.sha256()
    for path in sorted(kept, key=lambda p: p.relative_to(KERNELS).as_posix()):
        total.update(f'{path.relative_to(KERNELS).as_posix()}\n'.encode() + path.read_bytes())
    return total.hexdigest()


def build(name, features):
    with tempfile.TemporaryDirectory() as folder:
        objects = []
        for source in SOURCES:
            objects.append(f'{folder}/{source.replace("/", "_")}.o')
            contract = 'fast' if source in KERNEL_SOURCES else 'off'
            subprocess.run([*ZIG, *TARGET, *COMPILE, *features, f'-ffp-contract={contract}', '-c', KERNELS / source, '-o', objects[-1]],
                           check=True)
        module = Path(folder) / 'kernels.wasm'
        subprocess.run([*ZIG, *TARGET, *LINK, *objects, '-o', module], check=True)
        write(name, module)


def write(name, module):
    compressed = gzip.compress(module.read_bytes(), 9, mtime=0)
    print(f'{name}: {len(compressed)} bytes compressed')
    if len(compressed) > MOST_COMPRESSED:
        sys.exit(f'more than {MOST_COMPRESSED} bytes')
    text = base64.b64encode(compressed).decode()
    (OUT / f'{name}.ts').write_text(f"""// Written by native/kernels/wasm/build.py.
export const sources = '{checksum()}';
/** The module, compressed with gzip, in base64. */
export const compressed: string =
  '{text}';
""")


if __name__ == '__main__':
    OUT.mkdir(parents=True, exist_ok=True)
    build('simd', [])
    build('relaxed', RELAXED)
