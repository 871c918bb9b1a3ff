# SPDX-License-Identifier: BSD-3-Clause
"""The cases of a module, in the order in which they are told: {name: (story, marks)}. A story gets the scene; those that are told
for each carrier of a name get the port and the bytes that say a name, too."""
from payload import CARRIERS


class Book(dict):
    def __init__(self, prefix=""):
        super().__init__()
        self.prefix = prefix

    def case(self, name, **marks):
        def register(story):
            self[self.prefix + name] = (story, marks)
            return story

        return register

    def by_carrier(self, name, carriers=("tls", "http", "dns"), **marks):
        def register(story):
            for carrier in carriers:
                port, says = CARRIERS[carrier]

                def told(s, story=story, port=port, says=says):
                    s.whole = len(says(s.host))
                    story(s, port, says)

                self[f"{self.prefix}{name}/{carrier}"] = (told, marks)
            return story

        return register

    def sent(self, name, says, port=80, twin=None, **marks):
        """one connection that says these bytes in one segment"""

        @self.case(name, **marks)
        def _(s):
            s.conn(port).open().client(says(s), twin=twin)
