package deliver

import (
	"container/list"
	"sync"
)

// cache keeps what was used last, up to a weight.
type cache[K comparable, V any] struct {
	limit int64

	mu    sync.Mutex
	byKey map[K]*list.Element
	order list.List // of *cached[K, V], the latest first
	total int64
}

type cached[K comparable, V any] struct {
	key    K
	value  V
	weight int64
}

func newCache[K comparable, V any](limit int64) *cache[K, V] {
	return &cache[K, V]{limit: limit, byKey: make(map[K]*list.Element)}
}

// get returns what is kept for a key, or what made makes; two may make the same at once, and one wins.
func (c *cache[K, V]) get(key K, made func() (V, int64)) V {
	c.mu.Lock()
	if e := c.byKey[key]; e != nil {
		c.order.MoveToFront(e)
		v := e.Value.(*cached[K, V]).value
		c.mu.Unlock()
		return v
	}
	c.mu.Unlock()
	v, weight := made()
	c.mu.Lock()
	defer c.mu.Unlock()
	if e := c.byKey[key]; e != nil {
		return e.Value.(*cached[K, V]).value
	}
	c.byKey[key] = c.order.PushFront(&cached[K, V]{key, v, weight})
	c.total += weight
	c.trimLocked()
	return v
}

// weigh tells what an entry weighs now.
func (c *cache[K, V]) weigh(key K, weight int64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if e := c.byKey[key]; e != nil {
		v := e.Value.(*cached[K, V])
		c.total += weight - v.weight
		v.weight = weight
		c.trimLocked()
	}
}

// trimLocked forgets the oldest. The latest entry stays, however heavy.
func (c *cache[K, V]) trimLocked() {
	for c.total > c.limit && c.order.Len() > 1 {
		e := c.order.Back()
		v := c.order.Remove(e).(*cached[K, V])
		delete(c.byKey, v.key)
		c.total -= v.weight
	}
}

func (c *cache[K, V]) drop(key K) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if e := c.byKey[key]; e != nil {
		c.total -= c.order.Remove(e).(*cached[K, V]).weight
		delete(c.byKey, key)
	}
}
