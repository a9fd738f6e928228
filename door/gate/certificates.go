package gate

import "fmt"

// Certificates accepts clients by their certificate, which TLS has verified: the
// common name, or one of the DNS names and URIs, is listed.
type Certificates struct{ Names map[string]map[string]Role }

// Authenticate implements Authenticator.
func (a *Certificates) Authenticate(c *Credentials) (*Principal, error) {
	if len(c.Chains) == 0 || len(c.Chains[0]) == 0 {
		return nil, errNotMine
	}
	cert := c.Chains[0][0]
	names := append([]string{cert.Subject.CommonName}, cert.DNSNames...)
	for _, u := range cert.URIs {
		names = append(names, u.String())
	}
	for _, n := range names {
		if roles, ok := a.Names[n]; ok && n != "" {
			return &Principal{Name: "certificate:" + n, Roles: roles}, nil
		}
	}
	if c.Token != "" {
		return nil, errNotMine // it may say who it is in another way
	}
	return nil, fmt.Errorf("the client certificate of %.100q is not listed", cert.Subject.CommonName)
}
