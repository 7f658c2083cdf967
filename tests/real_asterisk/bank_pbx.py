"""A second Asterisk as the bank's own exchange: two phones are registered there, our house is a trunk with a password."""

from pathlib import Path

from asterisk_conf import AsteriskInstall
from tests.far_end.asterisk import Asterisk

TRUNK_USER, TRUNK_SECRET = "backoffice", "trunk secret of a test"
PHONES = {"2345": "secret of 2345", "2346": "secret of 2346"}


class BankPbx(Asterisk):
    def __init__(self, install: AsteriskInstall, folder: Path) -> None:
        super().__init__(install, folder, carrier=9)
        (folder / "extensions.conf").write_text(
            "[from-house]\nexten => _234X,1,Dial(PJSIP/${EXTEN},30)\n same => n,Hangup(${HANGUPCAUSE})\n"
            "exten => _X.,1,Hangup(1)\n[phones]\nexten => _X.,1,Hangup(21)\n"
        )
        text = f"[udp]\ntype=transport\nprotocol=udp\nbind=127.0.0.1:{self.sip}\n"
        text += (
            "[global]\ntype=global\nendpoint_identifier_order=auth_username,username,ip\n"
            f"[house]\ntype=endpoint\ncontext=from-house\ndisallow=all\nallow=alaw\nauth=house\ndirect_media=no\n"
            f"[house]\ntype=auth\nauth_type=userpass\nusername={TRUNK_USER}\npassword={TRUNK_SECRET}\n"
            "[house]\ntype=identify\nendpoint=house\nmatch=127.0.0.1\n"
        )
        for number, secret in PHONES.items():
            text += (
                f"[{number}]\ntype=endpoint\ncontext=phones\ndisallow=all\nallow=alaw\naors={number}\nauth={number}\n"
                f"direct_media=no\nrtp_symmetric=yes\nforce_rport=yes\n[{number}]\ntype=aor\nmax_contacts=1\n"
                f"remove_existing=yes\n[{number}]\ntype=auth\nauth_type=userpass\nusername={number}\npassword={secret}\n"
            )
        (folder / "pjsip.conf").write_text(text)

    def calls_of(self, number: str) -> int:
        """How often this phone was rung since the start: channels are named with a running number."""
        return sum(f"PJSIP/{number}-" in line for line in self.say("core show channels concise").splitlines())
