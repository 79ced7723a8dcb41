/** Texts of a Debian package: what is run when it comes and goes, its licences, what lintian may find. */

/** Every tunnel that runs is a unit of its own. */
const services =
  "qkd-controller.service qkd-km.service qkd-node.service qkd-panel.service 'qkd-psk@*.service'";

/** The services are started by who has configured them; those that run get the new programs. */
export const postinst = `#!/bin/sh
set -e

if [ "$1" = configure ]; then
  systemd-sysusers qkd-node.conf
  systemd-tmpfiles --create qkd-node.conf || true
  if [ -d /run/systemd/system ]; then
    systemctl --system daemon-reload || true
    udevadm control --reload || true
    # What is plugged in already has its names, groups and panel's service from the rules, too.
    udevadm trigger --action=change --subsystem-match=tty --subsystem-match=usb-serial --subsystem-match=hidraw \\
      --subsystem-match=xdma || true
    deb-systemd-invoke try-restart ${services} || true
  fi
fi
`;

/** First what would start another: the path its console, the console being a part of the panel. */
export const prerm = `#!/bin/sh
set -e

if [ "$1" = remove ] && [ -d /run/systemd/system ]; then
  deb-systemd-invoke stop qkd-console.path qkd-console.service ${services} || true
fi
`;

export const postrm = `#!/bin/sh
set -e

if [ -d /run/systemd/system ]; then
  systemctl --system daemon-reload || true
fi
if [ "$1" = purge ]; then
  # What an operator enabled: else the package would start its services at the next start once it is installed again.
  for link in /etc/systemd/system/*.wants/qkd-*; do
    case $(readlink "$link") in
      */lib/systemd/system/qkd-node.service | */lib/systemd/system/qkd-km.service | */lib/systemd/system/qkd-controller.service | \
        */lib/systemd/system/qkd-panel.service | */lib/systemd/system/qkd-console.path | */lib/systemd/system/qkd-psk@.service)
        rm -f "$link"
        ;;
    esac
  done
  # Ledgers and keys are not this package's to destroy: without its ledger a node may supply keys twice.
  for folder in /var/lib/qkd-node /var/lib/qkd-km /var/lib/qkd-controller; do
    if [ -e "$folder" ]; then
      echo "qkd-node: $folder stays; remove it once no module holds keys of it" >&2
    fi
  done
fi
`;

export const overrides = `# The programs run on the Node.js that they were tested with, and it has its libraries in it as upstream builds it.
qkd-node: embedded-library *
qkd-node: hardening-no-fortify-functions *
qkd-node: hardening-no-pie *
qkd-node: hardening-no-bindnow *
qkd-node: hardening-no-relro *
qkd-node: unstripped-binary-or-object *
qkd-node: shared-library-lacks-prerequisites *
# Texts that the authors of parts ask for, as they are.
qkd-node: copyright-file-contains-full-apache-2-license
qkd-node: old-fsf-address-in-copyright-file
# There is no bug of Debian's that it closes.
qkd-node: initial-upload-closes-no-bugs *
# Users are made by systemd-sysusers, of which systemd, a dependency, is the package.
qkd-node: maintainer-script-calls-systemctl *
`;

interface Licences {
  readonly ours: string;
  readonly npm: string;
  readonly node: string;
}

/** Debian's machine-readable format for what is ours; others' texts as they are, which their authors ask for. */
export function copyright({ npm, node }: Licences): string {
  const indented = (text: string) =>
    text
      .split("\n")
      .map((line) => (line.trim() === "" ? " ." : ` ${line.replace(/\t/g, "  ").trimEnd()}`))
      .join("\n");
  return `Format: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/
Upstream-Name: qkd-node
Source: see sbom.cdx.json in /usr/lib/qkd-node

Files: *
Copyright: the authors of qkd-node
License: Apache-2.0
 On Debian systems the full text is in /usr/share/common-licenses/Apache-2.0.

Files: usr/lib/qkd-node/lib/*
Copyright: the authors of qkd-node, and of the packages named below
License: Apache-2.0 and others
${indented(npm)}

Files: usr/lib/qkd-node/runtime/node
Copyright: Node.js contributors, and others as named below
License: MIT and others
${indented(node)}
`;
}
