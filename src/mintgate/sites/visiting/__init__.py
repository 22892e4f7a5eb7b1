"""The ground of the instance's own sites: signing in to them, and what every page asks first.

A site is an OpenID Connect client of the issuer [PRF-2]. It keeps no token: the code is redeemed,
the ID token says who came, and from then on a cookie of the site stands for a row that lives as
long as the sign-in. No ERP session is opened [SES-24].
"""

from mintgate.sites.visiting.door import Door
from mintgate.sites.visiting.site import Site
from mintgate.sites.visiting.visitor import Visitor

__all__ = ["Door", "Site", "Visitor"]
