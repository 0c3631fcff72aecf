export const css = `
:host{display:block;position:relative;background:#000;color:#fff;aspect-ratio:16/9;overflow:hidden;container-type:inline-size;
font:400 14px/1.5 "Inter Variable","PingFang SC","Microsoft YaHei","Noto Sans CJK SC",system-ui,sans-serif;font-variant-numeric:tabular-nums;
--scrim:rgba(8,14,18,.72);--accent:#4CC3D9;--live:#FF5A5F;--line:rgba(255,255,255,.28)}
:host([hidden]){display:none}
:host(:fullscreen){aspect-ratio:auto;width:100%;height:100%}
*{box-sizing:border-box}
video,.last{position:absolute;inset:0;width:100%;height:100%;object-fit:contain;background:#000}
.last{pointer-events:none;background:none}
.dim video,.dim .last{filter:brightness(.4)}
button,input{font:inherit;color:inherit}
button{background:none;border:0;padding:0;cursor:pointer;border-radius:6px}
button:focus-visible,input:focus-visible,.menu [role^=menuitem]:focus-visible{outline:2px solid var(--accent);outline-offset:2px}
:host(:focus-visible){outline:2px solid var(--accent);outline-offset:2px}
svg{width:22px;height:22px;display:block}
.bar{position:absolute;inset:auto 0 0 0;padding:6px 12px 8px;background:var(--scrim);transition:opacity .15s;display:flex;flex-direction:column;gap:2px}
.idle .bar,.idle .top{opacity:0;pointer-events:none}
.idle{cursor:none}
.row{display:flex;align-items:center;gap:4px;min-height:40px}
.row>.gap{flex:1}
.b{min-width:40px;height:40px;display:inline-flex;align-items:center;justify-content:center;gap:6px;padding:0 8px;white-space:nowrap}
.b:hover{background:rgba(255,255,255,.14)}
.text{font-size:13px;font-weight:500}
.livebtn .dot{width:8px;height:8px;border-radius:50%;background:#A3B3BC;flex:none}
.livebtn.edge .dot{background:var(--live)}
.vol{display:flex;align-items:center}
.vol input{width:72px}
input[type=range]{appearance:none;background:none;height:24px;margin:0;cursor:pointer}
input[type=range]::-webkit-slider-runnable-track{height:4px;border-radius:2px;background:linear-gradient(to right,var(--accent) var(--at,0%),var(--line) var(--at,0%))}
input[type=range]::-moz-range-track{height:4px;border-radius:2px;background:var(--line)}
input[type=range]::-moz-range-progress{height:4px;border-radius:2px;background:var(--accent)}
input[type=range]::-webkit-slider-thumb{appearance:none;width:14px;height:14px;border-radius:50%;background:#fff;margin-top:-5px}
input[type=range]::-moz-range-thumb{width:14px;height:14px;border:0;border-radius:50%;background:#fff}
.dvr{width:100%}
.scrub{position:relative;height:24px;cursor:pointer;touch-action:none;border-radius:4px}
.scrub:focus-visible{outline:2px solid var(--accent);outline-offset:2px}
.track{position:absolute;inset:10px 0;border-radius:2px;background:var(--line);overflow:hidden;transition:inset .12s}
.scrub:hover .track,.scrub:focus-visible .track{inset:8px 0}
.fill{position:absolute;inset:0 auto 0 0;background:var(--accent)}
.holes i{position:absolute;inset:0 auto 0 0;min-width:2px;background:repeating-linear-gradient(135deg,#0A1014 0 3px,#738690 3px 5px)}
.knob{position:absolute;top:5px;width:14px;height:14px;margin-left:-7px;border-radius:50%;background:#fff;box-shadow:0 0 3px rgba(0,0,0,.6)}
.tip{position:absolute;bottom:26px;transform:translateX(-50%);display:flex;flex-direction:column;align-items:center;gap:4px;pointer-events:none;z-index:1}
.pic{border-radius:6px;border:1px solid rgba(255,255,255,.5);background:#0A1014 no-repeat}
.when{background:#0A1014;border-radius:6px;padding:1px 8px;font-size:12px;white-space:nowrap}
.slim{display:none}
.top{position:absolute;inset:12px 12px auto 12px;display:flex;justify-content:space-between;align-items:flex-start;gap:8px;pointer-events:none;transition:opacity .15s}
.note{background:var(--scrim);border-radius:6px;padding:6px 10px;font-size:13px;max-width:min(560px,100%)}
.sound{position:absolute;left:12px;top:12px;background:var(--scrim);border:1px solid var(--line);min-height:44px;padding:0 16px 0 12px;display:inline-flex;align-items:center;gap:8px;font-weight:600}
.center{position:absolute;inset:0;display:flex;flex-direction:column;align-items:center;justify-content:center;text-align:center;gap:12px;padding:16px 16px 64px;pointer-events:none}
.center>*{pointer-events:auto}
.center p{margin:0;max-width:36em;text-wrap:balance;text-shadow:0 1px 4px rgba(0,0,0,.6)}
.center .title{font-size:16px;font-weight:600}
.center .code{font:12px ui-monospace,"JetBrains Mono",monospace;color:#A3B3BC}
.big{width:72px;height:72px;border-radius:50%;background:var(--scrim);display:grid;place-items:center}
.big svg{width:36px;height:36px}
.act{min-height:40px;padding:0 16px;background:rgba(255,255,255,.14);border:1px solid var(--line);font-weight:500}
.act:hover{background:rgba(255,255,255,.24)}
.acts{display:flex;gap:8px;flex-wrap:wrap;justify-content:center}
.wave{width:72px;height:20px;overflow:hidden}
.wave svg{width:144px;height:20px;stroke:var(--accent);animation:flow 2.4s linear infinite}
.voice>*{pointer-events:none}
.voice p{font-size:16px}
.sign svg{width:44px;height:44px;color:#A3B3BC}
.still .wave svg{animation-play-state:paused}
@keyframes flow{to{transform:translateX(-72px)}}
.menu,.sheet{position:absolute;right:12px;bottom:60px;background:#162127;border:1px solid #2C3B43;border-radius:10px;padding:6px;min-width:220px;max-width:calc(100% - 24px);max-height:calc(100% - 76px);overflow:auto;box-shadow:0 8px 24px rgba(0,0,0,.5);z-index:2}
.menu [role^=menuitem]{display:grid;grid-template-columns:22px 1fr auto;gap:8px;align-items:center;width:100%;min-height:40px;padding:4px 10px;text-align:left}
.menu [role^=menuitem]:hover{background:rgba(255,255,255,.1)}
.menu [aria-disabled=true]{color:#A3B3BC;cursor:default}
.ask{display:flex;flex-wrap:wrap;gap:8px}
.ask input::placeholder{color:#A3B3BC;opacity:1}
.ask input{min-height:40px;padding:0 10px;background:#0A1014;border:1px solid #738690;border-radius:6px;color-scheme:dark}
.ask .why{flex-basis:100%;margin:0;font-size:12px;color:#E9B44C}
.menu .why{grid-column:2/4;font-size:12px;color:#E9B44C;white-space:normal}
.menu .hint{color:#A3B3BC;font-size:12px}
.sheet{left:12px;right:auto;top:12px;bottom:auto;padding:12px 16px 16px;min-width:280px}
.sheet header,.menu>header{display:flex;justify-content:space-between;align-items:center;gap:16px;font-weight:600;margin-bottom:4px}
dl{display:grid;grid-template-columns:auto 1fr;gap:4px 20px;margin:0;font-size:13px}
dt{color:#A3B3BC}dd{margin:0;overflow-wrap:anywhere}
kbd{font:12px ui-monospace,"JetBrains Mono",monospace;border:1px solid #738690;border-radius:4px;padding:1px 6px}
.sr{position:absolute;width:1px;height:1px;overflow:hidden;clip-path:inset(50%)}
[hidden]{display:none!important}
.menu>header{display:none}
@container (max-width:760px){.help{display:none}}
@container (max-width:560px){.vol input,.wide{display:none}.slim{display:inline-flex}.b{padding:0 6px;min-width:38px}.bar{padding:4px 6px 6px}.row{gap:0}.bar .time{padding:0 4px}
.center{gap:8px;padding:8px 12px 56px}.center .title,.center .code,.failed .scrub{display:none}.sign svg{width:32px;height:32px}
.menu,.sheet{inset:6px;max-height:none;max-width:none;min-width:0}.menu>header{display:flex;padding-left:10px}}
@container (max-width:380px){.nopip{display:none}}
@media (pointer:coarse){.b{min-width:44px;height:44px}.vol input{display:none}}
@media (forced-colors:active){.track,.holes i,.knob,.livebtn .dot,.wave,input[type=range]{forced-color-adjust:none}}
@media (prefers-reduced-motion:reduce){*{animation:none!important;transition:none!important}}
`;
