"""A bare Asterisk of its own, only to prove the far end against the real thing: a trunk to the carrier, one phone.

Not the product's configuration: the two are tried together elsewhere.
"""

import os
import subprocess
from pathlib import Path

from asterisk_conf import AsteriskInstall
from backoffice_core.errors import PartMissing
from backoffice_core.parts import process
from backoffice_core.parts.asterisk import find
from tests.conftest import fresh_settings, until

PHONE, SECRET = "101", "not a secret of anybody"


def installed(folder: Path) -> AsteriskInstall | None:
    """The Asterisk that the product would run (or FAR_END_ASTERISK_ROOT, for an uncached one); None without any."""
    try:
        return find(fresh_settings(folder, asterisk=os.environ.get("FAR_END_ASTERISK_ROOT", "")))
    except PartMissing:
        return None


class Asterisk:
    """Files below `folder`; `sip` and `rtp` (100 ports from there) are free ports, `carrier` the far end's."""

    def __init__(self, install: AsteriskInstall, folder: Path, carrier: int) -> None:
        self.folder, self.sip, self.rtp, self.carrier = (
            folder,
            process.free_ports(1)[0],
            process.free_ports(200, together=True),
            carrier,
        )
        self._child: subprocess.Popen[bytes] | None = None
        self._command = [*install.argv, "-C", str(folder / "asterisk.conf")]
        kinds = ["etc", "varlib", "db", "spool", "run", "log", "key", "agi", "sbin", "cache"]
        own = "".join(f"ast{kind}dir => {folder}\n" for kind in kinds)
        own += f"astmoddir => {install.moddir}\nastdatadir => {install.datadir}\n"
        text = {
            "asterisk": f"[directories]\n{own}[options]\nnocolor=yes\n",
            "modules": "[modules]\nautoload=yes\nnoload=chan_iax2.so\nnoload=pbx_dundi.so\nnoload=cdr_csv.so\n"
            "noload=res_pjsip_dlg_options.so\n",
            "rtp": f"[general]\nrtpstart={self.rtp[0]}\nrtpend={self.rtp[-1]}\n",
            "logger": "[logfiles]\nmessages => notice,warning,error\n",
            "extensions": "[far]\nexten => _X.,1,Hangup()\n",
            "pjsip": f"[udp]\ntype=transport\nprotocol=udp\nbind=127.0.0.1:{self.sip}\n"
            "[far-end]\ntype=endpoint\ncontext=far\ndisallow=all\nallow=alaw\naors=far-end\ndirect_media=no\n"
            f"[far-end]\ntype=aor\ncontact=sip:127.0.0.1:{self.carrier}\nqualify_frequency=2\n"
            f"[{PHONE}]\ntype=endpoint\ncontext=far\ndisallow=all\nallow=alaw\naors={PHONE}\nauth={PHONE}\ndirect_media=no\n"
            f"[{PHONE}]\ntype=aor\nmax_contacts=1\nremove_existing=yes\n"
            f"[{PHONE}]\ntype=auth\nauth_type=userpass\nusername={PHONE}\npassword={SECRET}\n",
        }  # fmt: skip
        for name, content in text.items():
            (folder / f"{name}.conf").write_text(content)

    async def start(self) -> None:
        self._launch()
        await until(lambda: "fully booted" in self.say("core waitfullybooted"), 40, every=0.3, what="Asterisk up")

    def _launch(self) -> None:
        null = subprocess.DEVNULL
        self._child = subprocess.Popen([*self._command, "-f"], stdout=null, stderr=null, cwd="/")

    def say(self, words: str) -> str:
        done = subprocess.run(
            [*self._command, "-rx", words],
            capture_output=True,
            text=True,
            timeout=20,
            check=False,
            stdin=subprocess.DEVNULL,
        )
        return done.stdout

    def kill(self) -> None:
        if self._child:
            self._child.kill()
            self._child.wait()
            self._child = None
