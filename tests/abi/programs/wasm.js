// SPDX-License-Identifier: BSD-2-Clause
// V8 turns SIGSEGV into wasm traps by handlers of its own; children and workers bring threads, fork and exec.
'use strict';
const { spawnSync, spawn } = require('child_process');
const { Worker, isMainThread, parentPort } = require('worker_threads');

// (module (memory 1) (func (export "f") (param i32) (result i32) local.get 0 i32.load))
const code = new Uint8Array([0, 0x61, 0x73, 0x6d, 1, 0, 0, 0, 1, 6, 1, 0x60, 1, 0x7f, 1, 0x7f, 3, 2, 1, 0, 5, 3, 1, 0, 1, 7, 5,
	1, 1, 0x66, 0, 0, 0x0a, 9, 1, 7, 0, 0x20, 0, 0x28, 2, 0, 0x0b]);

function traps(count) {
	const f = new WebAssembly.Instance(new WebAssembly.Module(code)).exports.f;
	let caught = 0, sum = 0;
	for (let i = 0; i < count; i++) {
		try { sum += f(65536 + i * 4096); } catch (e) { caught += e instanceof WebAssembly.RuntimeError; }
		sum += f(i % 1000);
	}
	return `${caught} traps, sum ${sum}`;
}

if (!isMainThread) {
	parentPort.postMessage(traps(3000));
} else {
	console.log(traps(5000));
	console.log(String(spawnSync('sh', ['-c', 'echo child; exit 3']).stdout), spawnSync('sh', ['-c', 'exit 3']).status);
	console.log(spawnSync(process.execPath, ['-e', 'process.kill(process.pid, "SIGTERM")']).signal);
	const child = spawn('cat');
	child.stdout.on('data', (d) => console.log(`cat: ${d}`));
	child.stdin.end('through a pipe');
	child.on('exit', (status) => {
		console.log('cat ended', status);
		let left = 3;
		for (let i = 0; i < 3; i++)
			new Worker(__filename).on('message', (m) => { if (--left === 0) console.log('workers', m); });
	});
}
