import redis
from metaparity.drivers.engine.store import *
class Quick(Store):
    def __init__(self, url):
        from redis.retry import Retry
        from redis.backoff import NoBackoff
        self.r = redis.Redis.from_url(url, protocol=3, retry=Retry(NoBackoff(), 0))
        for c in list(self.r.response_callbacks): del self.r.response_callbacks[c]
    def _x(self, cmds, conn):
        out=[]
        conn.send_packed_command(conn.pack_commands(cmds))
        for _ in cmds:
            try: out.append(conn.read_response())
            except redis.ResponseError as e: out.append(ServerError(str(e)))
        return out
    def read(self, *cmds):
        c=self.r.connection_pool.get_connection()
        try: out=self._x(cmds,c)
        finally: self.r.connection_pool.release(c)
        for o in out:
            if isinstance(o,ServerError): raise o
        return out
    pipeline=read
    def attempt(self, watch, body):
        c=self.r.connection_pool.get_connection()
        st=self
        class Tx:
            def __init__(s): s.pend=list(watch); s.q=[]; s.replies=[]
            def watch(s,*k): s.pend+=k
            def read(s,*cmds):
                pre=[("WATCH",*s.pend)] if s.pend else []; s.pend=[]
                out=st._x(pre+list(cmds),c)[len(pre):]
                for o in out:
                    if isinstance(o,ServerError): raise o
                return out
            def queue(s,*cmds): s.q+=cmds
        tx=Tx()
        try:
            v=body(tx)
            if tx.q:
                out=st._x([("MULTI",),*tx.q,("EXEC",)],c)[-1]
                if out is None: raise Conflict()
                if isinstance(out,ServerError): raise out
                tx.replies=out
            return v
        finally:
            st._x([("UNWATCH",)],c)
            self.r.connection_pool.release(c)
    def scan(self,p,count=10000):
        cur=0
        while True:
            cur,keys=self.read(("SCAN",cur,"MATCH",p,"COUNT",count))[0]
            yield keys
            if int(cur)==0:return
    def hscan(self,k,count=10000):
        cur=0
        while True:
            cur,kv=self.read(("HSCAN",k,cur,"MATCH","*","COUNT",count))[0]
            yield list(zip(kv[::2],kv[1::2]))
            if int(cur)==0:return
    def close(self): self.r.close()
