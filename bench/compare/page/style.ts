/** How the page looks: one column, one face, light and dark, a phone and paper. */
import { colorRules, variables } from "./palette.ts";

const LIGHT =
  "--ground:#ffffff;--raised:#f6f8fa;--ink:#1b2027;--soft:#57606b;--rule:#d9dee4;--grid:#e9edf1;--accent:#0a5fbf;--warn-ground:#fff4d6;--warn-ink:#5c3d00;--warn-rule:#e0b23c;--good:#12733c;--bad:#b3261e";
const DARK =
  "--ground:#0f1318;--raised:#171d24;--ink:#e8edf2;--soft:#9aa5b1;--rule:#2d353f;--grid:#212830;--accent:#6db3f8;--warn-ground:#33280c;--warn-ink:#f6dd9b;--warn-rule:#8a6a17;--good:#5cc98a;--bad:#ff8f86";

/** Of the plots alone, on a page or in a file. */
export const PLOT_STYLE = `svg text{font:13px system-ui,-apple-system,"Segoe UI",Roboto,"Helvetica Neue",sans-serif;font-variant-numeric:tabular-nums;fill:var(--ink)}
svg .tick,svg .note,svg .axis-name{fill:var(--soft);font-size:12px}
svg .name{fill:currentColor;font-weight:600}
svg .title{font-weight:600;font-size:14px}
svg .number{fill:var(--ink)}
svg .halo{paint-order:stroke;stroke:var(--ground);stroke-width:4px;stroke-linejoin:round}
svg .inside{font-size:12px}
.grid{stroke:var(--grid)}
.axis{stroke:var(--rule)}
.interval{stroke:currentColor;stroke-width:2;opacity:.55}
.dot{fill:currentColor;stroke:var(--ground);stroke-width:1.5}
.dot.hollow{fill:var(--ground);stroke:currentColor;stroke-width:2}
.series{fill:none;stroke:currentColor;stroke-width:2;stroke-linejoin:round}
.mark{stroke:currentColor;stroke-dasharray:2 4}
.beaten{fill:var(--raised)}
${colorRules()}`;

const ROOT = `:root{color-scheme:light dark;${LIGHT};${variables("light")}}
@media screen and (prefers-color-scheme:dark){:root{${DARK};${variables("dark")}}}`;

/** Of a picture that stands alone: its ground is that of whoever shows it. */
export const PICTURE_STYLE = `${ROOT}
${PLOT_STYLE}`;

export const STYLE = `
${ROOT}
*{box-sizing:border-box}
body{margin:0;background:var(--ground);color:var(--ink);font:16px/1.5 system-ui,-apple-system,"Segoe UI",Roboto,"Helvetica Neue",sans-serif;-webkit-text-size-adjust:100%}
main,header,footer{max-width:752px;margin:0 auto;padding:0 16px}
header{padding-top:36px}
h1{font-size:30px;line-height:1.2;letter-spacing:-.01em;margin:6px 0 12px;overflow-wrap:anywhere}
h2{font-size:20px;line-height:1.3;margin:0 0 6px}
h3{font-size:16px;line-height:1.4;margin:20px 0 4px;overflow-wrap:anywhere}
p{margin:0 0 12px;max-width:68ch;overflow-wrap:anywhere}
section{margin:44px 0 0}
ul{margin:0 0 12px;padding-left:20px}
li{margin:0 0 4px;max-width:68ch;overflow-wrap:anywhere}
.over{color:var(--soft);font-size:14px;margin:0}
.lede{font-size:18px}
.note,.lead{color:var(--soft);font-size:14px}
.lead{margin-bottom:16px}
.banner{background:var(--warn-ground);color:var(--warn-ink);border-bottom:1px solid var(--warn-rule)}
.banner p{max-width:752px;margin:0 auto;padding:10px 16px;font-size:15px}
.banner strong{font-weight:650}
.notices{border-left:3px solid var(--warn-rule);padding:2px 0 2px 14px;margin:16px 0;list-style:none}
figure{margin:0 0 8px}
svg{display:block;width:100%;height:auto;overflow:visible}
.narrow{display:none}
${PLOT_STYLE}
details{margin:0 0 12px}
summary{cursor:pointer;color:var(--accent);font-size:14px;padding:4px 0;width:fit-content}
summary:focus-visible,.scroll:focus-visible,a:focus-visible{outline:2px solid var(--accent);outline-offset:2px}
.scroll{overflow-x:auto;margin:4px 0 14px;background:linear-gradient(90deg,var(--ground) 45%,transparent) 0 0/32px 100% no-repeat local,linear-gradient(270deg,var(--ground) 45%,transparent) 100% 0/32px 100% no-repeat local,linear-gradient(90deg,var(--rule),transparent) 0 0/10px 100% no-repeat scroll,linear-gradient(270deg,var(--rule),transparent) 100% 0/10px 100% no-repeat scroll}
table{border-collapse:collapse;width:100%;font-size:14px;line-height:1.4}
caption{position:absolute;width:1px;height:1px;overflow:hidden;clip-path:inset(50%);white-space:nowrap}
th,td{padding:7px 0 7px 16px;text-align:left;vertical-align:baseline;border-bottom:1px solid var(--rule)}
th:first-child,td:first-child{padding-left:0}
thead th{border-bottom-color:var(--soft);font-weight:600;vertical-align:bottom}
tbody th{font-weight:400;overflow-wrap:anywhere;min-width:92px;max-width:320px}
.n{text-align:right;font-variant-numeric:tabular-nums;white-space:nowrap}
thead .n{white-space:normal;overflow-wrap:break-word}
thead .n small{white-space:normal;overflow-wrap:anywhere;max-width:160px}
.n small{margin-left:auto}
.key{min-width:116px}
td small,th small{display:block;font-weight:400;color:var(--soft);font-size:12px;line-height:1.35}
.n small{white-space:nowrap}
.best{font-weight:650}
.bad{color:var(--bad)}
.good{color:var(--good)}
.words{min-width:168px;overflow-wrap:anywhere}
pre{background:var(--raised);border:1px solid var(--rule);border-radius:6px;padding:14px 16px;margin:8px 0 12px;overflow-x:auto;font:13px/1.5 ui-monospace,SFMono-Regular,Menlo,Consolas,"DejaVu Sans Mono",monospace;user-select:all}
code{font:.92em ui-monospace,SFMono-Regular,Menlo,Consolas,"DejaVu Sans Mono",monospace;overflow-wrap:anywhere}
dl{display:grid;grid-template-columns:max-content minmax(0,1fr);gap:6px 20px;margin:8px 0 16px;font-size:14px}
dt{color:var(--soft)}
dd{margin:0;overflow-wrap:anywhere}
footer{margin-top:48px;padding-top:16px;padding-bottom:40px;color:var(--soft);font-size:13px}
@media (max-width:699px){
.wide{display:none}
.narrow{display:block;max-width:480px}
body{font-size:15px}
header{padding-top:22px}
h1{font-size:24px}
.lede{font-size:16px}
section{margin-top:36px}
table{font-size:13px}
th,td{padding-left:8px}
tbody th{min-width:72px}
.key{min-width:104px}
pre{white-space:pre-wrap;overflow-wrap:anywhere}
.n small{white-space:normal}
td small,th small{font-size:11px}
dl{grid-template-columns:minmax(0,1fr);gap:0}
dd{margin-bottom:10px}
}
@media print{
@page{margin:16mm}
body{font-size:11pt}
main,header,footer,.banner p{max-width:none;padding-left:0;padding-right:0}
.wide{display:block}
.narrow{display:none}
section{margin-top:24pt}
figure,tr,pre,h2{break-inside:avoid}
h2,h3,.lead{break-after:avoid}
.scroll{overflow:visible;background:none}
summary{display:none}
details:not(.long)::details-content{content-visibility:visible;display:block}
.banner,svg *{print-color-adjust:exact;-webkit-print-color-adjust:exact}
}
`;
